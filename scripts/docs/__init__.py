"""The pages of the documentation that are generated, and the chart of README.md."""
