// Monitoring mixin: dashboards, recording rules and alerts, from the same files as the stack and the chart.
local dashboards = {
  'burrow-brokers.json': importstr '../grafana/dashboards/burrow-brokers.json',
  'burrow-group.json': importstr '../grafana/dashboards/burrow-group.json',
  'burrow-monitoring.json': importstr '../grafana/dashboards/burrow-monitoring.json',
  'burrow-overview.json': importstr '../grafana/dashboards/burrow-overview.json',
  'burrow-topics.json': importstr '../grafana/dashboards/burrow-topics.json',
};
local rules = {
  advice: importstr '../compose/rules/advice.yaml',
  brokers: importstr '../compose/rules/brokers.yaml',
  consumers: importstr '../compose/rules/consumers.yaml',
  exporter: importstr '../compose/rules/exporter.yaml',
  hosts: importstr '../compose/rules/hosts.yaml',
  loss: importstr '../compose/rules/loss.yaml',
  prometheus: importstr '../compose/rules/prometheus.yaml',
  recording: importstr '../compose/rules/recording.yaml',
  thanos: importstr '../compose/rules/thanos.yaml',
};

{
  _config+:: {
    // Files from compose/rules to include. The default needs only the exporter's metrics; see docs/rules.md for the rest.
    rules: ['recording', 'advice', 'consumers', 'exporter'],
    // Selector of the exporter's targets in alerts.
    exporterSelector: 'job="burrow"',
    // Base URLs of links in alerts. Dashboards link to the same runbook.
    grafanaUrl: 'http://localhost:3000',
    runbookUrl: 'docs/runbook.md',
    // Name of the Prometheus data source that dashboards preselect; empty for Grafana's default.
    datasource: '',
  },

  local config = self._config,
  local replaced(text) = std.foldl(
    function(text, pair) std.strReplace(text, pair[0], pair[1]),
    [
      ['job="burrow"', config.exporterSelector],
      ['http://localhost:3000', config.grafanaUrl],
      ['docs/runbook.md', config.runbookUrl],
    ],
    text
  ),
  // The groups of all files, reduced to rules of one kind.
  local groups(kind) = [
    group { rules: chosen }
    for name in config.rules
    for group in std.parseYaml(replaced(rules[name])).groups
    for chosen in [[rule for rule in group.rules if std.objectHas(rule, kind)]]
    if chosen != []
  ],
  // Dashboards link to the runbook of the stack, which is a dashboard too.
  local linked(text) =
    if config.runbookUrl == 'docs/runbook.md' then text
    else std.strReplace(text, '/d/burrow-runbook', config.runbookUrl),
  local selected(variable) =
    if variable.type == 'datasource' && config.datasource != '' then
      variable { current: { selected: true, text: config.datasource, value: config.datasource } }
    else variable,

  grafanaDashboards+:: {
    [name]: std.parseJson(linked(dashboards[name])) {
      templating+: { list: std.map(selected, super.list) },
    }
    for name in std.objectFields(dashboards)
  },
  prometheusRules+:: { groups+: groups('record') },
  prometheusAlerts+:: { groups+: groups('alert') },
}
