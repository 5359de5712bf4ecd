#!/usr/bin/env bash
# Verify the recipes for both Reddits one after the other, the cheapest first: make reddit.
#
# A recipe's runs that are in runs.csv already are not run again: a command that was killed resumes
# where it stopped. A number that is not met (exit code 4 of 'redditgnn verify') or runs that failed
# (3) do not keep the next from running. A mistake (2), a bug (1) and Ctrl-C (130) end it all.
#
# usage: scripts/reddit.sh [KEY=VALUE ...]      e.g. seeds=3 results_dir=elsewhere
# REDDITGNN names the command, default: redditgnn. RECIPES replaces the list below.
set -u

# By the edges times channels that one run reads, in 10^12, estimated as docs/recipes.md says.
ALL="
reddit_raw                    0.03
reddit_sgc                    0.1
reddit_sign                   0.2
reddit2_gat_saint_rw          0.2
reddit2_sage_saint_rw         0.4
reddit_sage                   0.4
reddit2_sage_saint_edge       0.5
reddit2_sage_saint_node       0.5
reddit_deepwalk               1
reddit_deepwalk_raw           1
reddit_sage_neighbor          1
reddit2_sage_saint_jk_edge    2
reddit_dgi                    2
reddit_graphsage              2
reddit_gcn_full               3
reddit_sage_full              3
reddit2_sage_cluster          10
reddit2_gcn_gas               14
reddit_gat_full               17
reddit2_pna_gas               36
reddit2_gcn2_gas              48
reddit_sage_full_deep         510
"
RECIPES=${RECIPES:-$(echo "$ALL" | awk '{print $1}')}

met="" missed="" failed=""
for recipe in $RECIPES; do
    echo "== $recipe"
    "${REDDITGNN:-redditgnn}" verify "experiment=$recipe" "$@"
    status=$?
    case $status in
        0) met="$met $recipe" ;;
        4) missed="$missed $recipe" ;;
        3) failed="$failed $recipe" ;;
        *) echo "stopped at $recipe (exit code $status)" >&2; exit "$status" ;;
    esac
done

echo "== reproduced or above:${met:- none}"
echo "== below or undecided:${missed:- none}"
echo "== failed runs:${failed:- none}"
[ -z "$failed" ] || exit 3
[ -z "$missed" ] || exit 4
