"""Entry point: `python -m sandbox.aws.pod_identity`, with the settings in the environment."""

import logging
import threading

from sandbox.aws.pod_identity.agent import Agent
from sandbox.aws.pod_identity.associations import Associations
from sandbox.aws.pod_identity.aws import EmulatorClient
from sandbox.aws.pod_identity.servers import agent_server, webhook_server
from sandbox.aws.pod_identity.settings import PodIdentitySettings


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = PodIdentitySettings.read()
    aws = EmulatorClient(settings.aws_url, settings.credentials)
    associations = Associations(aws)
    agent = agent_server(settings, Agent(aws, associations))
    threading.Thread(target=agent.serve_forever, name="agent", daemon=True).start()
    webhook_server(settings, associations).serve_forever()


if __name__ == "__main__":
    main()
