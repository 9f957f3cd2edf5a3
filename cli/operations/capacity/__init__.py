"""How many branches a base carries: by its settings, before there is anything."""
