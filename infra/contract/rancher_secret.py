"""The secret of AWS that has the certificate of the Rancher server: where it must be."""


def elsewhere(arn: str, region: str, account: str = "") -> str:
    """What is wrong with a secret of another region or account; empty if it is of this one, or there is none."""
    if not arn:
        return ""
    theirs, owner = arn.split(":")[3:5]
    if theirs != region:
        return f"the server in {region} reads secrets of {region}, and this one is in {theirs}"
    if account and owner != account:
        return f"the server reads secrets of its own account, {account}, and this one is of {owner}"
    return ""
