"""The sandbox: stand-ins for AWS and EKS, and Pulumi, on one Linux machine."""
