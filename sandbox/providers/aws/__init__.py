"""The `aws` provider: pulumi-aws's resource types by way of botocore, on the emulator only."""
