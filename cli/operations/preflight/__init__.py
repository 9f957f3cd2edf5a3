"""Settings that AWS would refuse halfway through a deployment: refused before anything is changed."""
