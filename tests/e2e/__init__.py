"""The exporter as a whole: started processes, faults, reloads; and what `make` runs beside pytest."""
