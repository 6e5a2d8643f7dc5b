"""The dashboards as code: signals -> panels -> rows -> dashboards, written to ``grafana/dashboards`` as JSON.

``signals`` holds the expressions over groups, topics and partitions, ``panels`` and ``tables`` how one looks, and a
module for each dashboard puts them in rows: a function for each, which is as long as the row has panels, as it says
nothing but these. ``make dashboards`` writes, ``make lint`` tells whether what is written is current.
"""
