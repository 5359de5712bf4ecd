"""The reference of all keys: it has what conf/ has, no more and no less."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from redditgnn import CONF_DIR
from redditgnn.command.list_ import descriptions
from scripts.docs import keys
from scripts.docs.yaml_keys import HYDRAS_OWN, header, read_keys

OPTIONS = sorted(path for group in keys.GROUPS for path in (CONF_DIR / group).glob("*.yaml"))
WITHOUT_COMMENT = ("dataset.expected.", "sweep.params.")  # counts, and keys of other groups


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return keys.pages(CONF_DIR)


def page_of(group: str) -> str:
    return f"{keys.FOLDER}/{group}.md"


def flat(values: dict, prefix: str) -> set[str]:
    """Every key of a YAML file as it is loaded, without the way in which the page reads it."""
    names = set()
    for key, value in values.items():
        if key not in HYDRAS_OWN:
            name = f"{prefix}{key}"
            names |= {name} | (flat(value, f"{name}.") if isinstance(value, dict) else set())
    return names


def section(page: str, group: str, option: str) -> str:
    return page.partition(f"\n## {group}={option}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("path", OPTIONS, ids=lambda path: f"{path.parent.name}={path.stem}")
def test_a_section_has_every_key_of_its_option(path: Path, pages: dict[str, str]) -> None:
    group = path.parent.name
    text = section(pages[page_of(group)], group, path.stem)
    in_one_line = {
        f"dataset.arguments.{key}" for key in ("name", "is_undirected")
    }  # shown as the value of dataset.arguments
    for name in flat(yaml.safe_load(path.read_text()), f"{group}.") - in_one_line:
        assert f"| `{name}` |" in text


def test_the_page_of_the_top_level_has_every_key_of_no_group(pages: dict[str, str]) -> None:
    for name in flat(yaml.safe_load((CONF_DIR / "train.yaml").read_text()), ""):
        assert f"| `{name}` |" in pages[page_of("top-level")]


def test_every_group_of_conf_has_a_page(pages: dict[str, str]) -> None:
    for folder in CONF_DIR.iterdir():
        if folder.is_dir():
            assert page_of(folder.name) in pages


def test_every_experiment_is_on_its_page(pages: dict[str, str]) -> None:
    for name, title in descriptions("experiment").items():
        line = f"| [`{name}`](../../conf/experiment/{name}.yaml) | {title} |"
        assert line in pages[page_of("experiment")].splitlines()


def test_what_is_removed_from_conf_disappears(tmp_path: Path) -> None:
    conf = shutil.copytree(CONF_DIR, tmp_path / "conf")
    (conf / "model" / "gin.yaml").unlink()
    gat = conf / "model" / "gat.yaml"
    lines = gat.read_text().splitlines(keepends=True)
    gat.write_text("".join(line for line in lines if not line.startswith("heads:")))
    page = keys.group_page("model", conf)
    assert "model=gin" not in page
    assert "`model.heads`" not in section(page, "model", "gat")
    assert "`model.heads`" in section(page, "model", "gatv2")


def test_value_comment_and_type_stand_beside_a_key(pages: dict[str, str]) -> None:
    row = "| `sampler.max_steps` | `null` | int or null | most steps an epoch; null: all parts |"
    assert row in section(pages[page_of("sampler")], "sampler", "gas").splitlines()
    row = "| `sweep.slurm.cpus` | `8` | int | cores of a task |"
    assert row in section(pages[page_of("sweep")], "sweep", "default").splitlines()


@pytest.mark.parametrize("path", OPTIONS, ids=lambda path: f"{path.parent.name}={path.stem}")
def test_every_key_says_what_it_means(path: Path) -> None:
    for key in read_keys(path, path.parent.name):
        assert key.comment or key.name.startswith(WITHOUT_COMMENT) or key.name == "sweep.params", (
            key
        )


def test_docstrings_say_what_the_comments_do_not(pages: dict[str, str]) -> None:
    text = section(pages[page_of("sampler")], "sampler", "gas")
    assert "A batch holds some parts of the graph with all their in-edges." in text
    assert "- `refresh_every`: Number of epochs between two refreshes" in text
    assert "Raises:" not in pages[page_of("dataset")]


def test_a_value_with_a_bar_or_a_sharp_in_it_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("# Odd\n# more\n_target_: x\nname: 'a # b'  # c | d\nfew: [1, 2]\n")
    assert header(path) == ["Odd", "more"]
    name, few = read_keys(path, "group")
    assert (name.value, name.comment) == ("'a # b'", "c | d")
    assert (few.value, few.comment) == ("[1, 2]", "")
    assert "| c \\| d |" in keys.table([name], {})
