"""AWS on one machine: MiniStack, what it lacks for the kit, and EKS Pod Identity."""
