"""The Helm chart, and the script that generates its derived files."""
