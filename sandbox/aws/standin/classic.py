"""Classic load balancers, of which the sandbox has none: nothing in it makes load balancers.

MiniStack takes their calls for those of ELBv2, which have the same endpoint and other answers. A
teardown asks for both.
"""

from sandbox.aws.standin import emulator
from sandbox.aws.standin.call import Call, Handler
from sandbox.aws.standin.emulator import Answer

VERSION = "2012-06-01"
"""The API version that tells a classic call from one of ELBv2."""

NAMESPACE = f"http://elasticloadbalancing.amazonaws.com/doc/{VERSION}/"
NONE = (
    f'<DescribeLoadBalancersResponse xmlns="{NAMESPACE}"><DescribeLoadBalancersResult>'
    "<LoadBalancerDescriptions/></DescribeLoadBalancersResult></DescribeLoadBalancersResponse>"
)


def handler(inner: Handler) -> Handler:
    """An empty list for classic calls that list; refusals of the others."""

    async def answer(call: Call) -> Answer:
        if call.parameter("Version") != VERSION:
            return await inner(call)
        if call.action == "DescribeLoadBalancers":
            return 200, {"Content-Type": "text/xml"}, NONE.encode()
        return emulator.query_error(
            "UnsupportedOperation", f"The sandbox has no classic load balancers for {call.action}"
        )

    return answer
