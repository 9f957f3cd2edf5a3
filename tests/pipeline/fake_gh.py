"""A stand-in for GitHub's command: the comments of pull requests, in the file that FAKE_GH names."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

FILE = Path(os.environ["FAKE_GH"])


def main(arguments: list[str]) -> None:
    if not os.environ.get("GH_TOKEN"):
        sys.exit(
            "gh: To use GitHub CLI in a GitHub Actions workflow, set the GH_TOKEN environment variable."
        )
    comments: list[dict[str, Any]] = json.loads(FILE.read_text()) if FILE.exists() else []
    path = next(word for word in arguments if word.startswith("repos/"))
    if "--method" not in arguments:
        print_known(comments, path, arguments[arguments.index("--jq") + 1])
        return
    field, _, file = arguments[arguments.index("--field") + 1].partition("=@")
    assert field == "body"
    text = Path(file).read_text()
    assert len(text) < 65_536, "GitHub takes no more"
    match arguments[arguments.index("--method") + 1], re.split("/", path):
        case "POST", [_, _, _, "issues", number, "comments"]:
            new = {"id": len(comments) + 1, "number": number, "type": "Bot", "body": text}
            comments.append(new)
        case "PATCH", [_, _, _, "issues", "comments", number]:
            next(each for each in comments if each["id"] == int(number))["body"] = text
        case other:
            sys.exit(f"gh: HTTP 404: {other}")
    FILE.write_text(json.dumps(comments))


def print_known(comments: list[dict[str, Any]], path: str, question: str) -> None:
    """The ids that the one question that we ask of `--jq` would find."""
    asked = re.fullmatch(
        r'\.\[\] \| select\(\.user\.type == "Bot" and \(\.body \| startswith\("(.+)"\)\)\) \| \.id',
        question,
    )
    assert asked, question
    number = path.split("/")[4]
    for each in comments:
        if each["number"] == number and each["type"] == "Bot" and each["body"].startswith(asked[1]):
            sys.stdout.write(f"{each['id']}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
