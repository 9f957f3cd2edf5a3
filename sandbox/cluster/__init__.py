"""A real Kubernetes node in Linux namespaces of its own: certificates, processes, network.

machine.up > launch > init (PID 1) > supervisor > etcd, kube-apiserver, containerd, ...
"""
