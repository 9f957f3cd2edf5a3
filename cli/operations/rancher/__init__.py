"""An environment's cluster in a Rancher: registered, its agent looked at, and taken out again by the teardown."""
