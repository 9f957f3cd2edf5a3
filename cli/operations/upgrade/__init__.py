"""A cluster's next version of Kubernetes: what is in its way, what will change, the deployment, and a look at what came of it."""
