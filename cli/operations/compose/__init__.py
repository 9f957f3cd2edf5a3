"""A compose file of an environment: the chart as Helm renders it, with containers of one machine in place of pods."""
