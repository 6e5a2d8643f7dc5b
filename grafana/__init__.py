"""What Grafana is given: the dashboards, and the code that writes them."""
