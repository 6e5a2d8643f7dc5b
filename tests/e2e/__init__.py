"""Tests of whole processes: faults, reloads, real Prometheus; and programs that ``make`` runs outside pytest."""
