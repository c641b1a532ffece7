"""The prose linter: Vale with this project's rules, over Markdown and over the prose in code, YAML and the chart."""
