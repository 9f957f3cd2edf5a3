"""What stands in for AWS, EKS and Pulumi's engine on one Linux machine."""
