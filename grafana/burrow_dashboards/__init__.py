"""The dashboards as code: signals -> panels -> rows -> dashboards, written to ``grafana/dashboards`` as JSON.

``signals`` holds every expression over the exporter's metrics, ``panels`` and ``tables`` how one looks, and a module
for each dashboard puts them in rows. ``make dashboards`` writes, ``make lint`` tells whether what is written is
current.
"""
