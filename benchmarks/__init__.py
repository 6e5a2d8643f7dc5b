"""How fast the exporter is and what it needs, at growing size: ``make bench``."""
