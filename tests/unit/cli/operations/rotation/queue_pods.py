"""Run by the image's interpreter: what sends and takes tasks, as far as logins go.

`queue_pods.py FOLDER` brings its pods to what `wanted.json` says, and copies that to `there.json` when it is so: new pods
have been served, those of before have ended. Each pod logs in anew, many times a second, as it was told at its start.

And it answers `question.json` in `answer.json` as the Job that tries passwords does: starting an interpreter for each would
take more time than all else.
"""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import celery_logins
import psycopg2
import redis

PAUSE = 0.03


class Pod(threading.Thread):
    def __init__(self, folder: Path, told: dict[str, Any]) -> None:
        super().__init__()
        self.folder, self.told = folder, told
        self.served, self.over = threading.Event(), threading.Event()

    def run(self) -> None:
        while not self.over.wait(PAUSE):
            try:
                with redis.Redis.from_url(self.told["broker"], socket_timeout=30) as queue:
                    queue.lpush("work", "a task")
                connection = psycopg2.connect(self.told["results"])
                with connection, connection.cursor() as cursor:
                    cursor.execute("create table if not exists work (name text)")
                    cursor.execute("insert into work select current_user")
                connection.close()
                self.say("served", self.told["user"])
            except (redis.RedisError, psycopg2.Error) as error:
                self.say("failures", f"{self.told['user']}: {error}")
            self.served.set()

    def say(self, what: str, text: str) -> None:
        with (self.folder / what).open("a") as file:
            file.write(f"{text}\n")


def put(file: Path, text: str) -> None:
    """At once, for whoever reads it."""
    file.with_suffix(".new").write_text(text)
    file.with_suffix(".new").rename(file)


def answer(folder: Path) -> None:
    question = folder / "question.json"
    if question.exists():
        asked = json.loads(question.read_text())
        question.unlink()
        # Under the number of the question: who asked before may have been killed.
        put(folder / f"answer-{asked['number']}.json", json.dumps(celery_logins.tried(asked)))


def main(folder: Path) -> None:
    pods: list[Pod] = []
    wanted, there = folder / "wanted.json", folder / "there.json"
    while not (folder / "over").exists():
        time.sleep(PAUSE)
        answer(folder)
        text = wanted.read_text() if wanted.exists() else ""
        if not text or (there.exists() and there.read_text() == text):
            continue
        former, pods = pods, [Pod(folder, told) for told in json.loads(text)]
        for pod in pods:
            pod.start()
        for pod in pods:
            pod.served.wait()
        for pod in former:
            pod.over.set()
            pod.join()
        put(there, text)
    for pod in pods:
        pod.over.set()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
