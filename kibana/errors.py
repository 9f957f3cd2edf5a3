"""What is wrong with a saved object."""


class KibanaError(Exception):
    """Kibana would not take it, or would ask Elasticsearch for something else than is meant."""
