"""A program to be tested: it shows the last lines of containers that have exited, and removes them."""

from __future__ import annotations

from dockerwire import Client, NotFound


def last_lines(client: Client, container: str, count: int) -> bytes:
    """What a container wrote last, on both streams."""
    with client.containers.logs(container, stdout=True, stderr=True, tail=count) as frames:
        return b"".join(frame.data for frame in frames)


def remove_exited(client: Client) -> dict[str, bytes]:
    """Remove all that have exited: their names, and their last lines. What is gone meanwhile is passed over."""
    removed = {}
    for container in client.containers.list(all=True, filters={"status": "exited"}):
        try:
            lines = last_lines(client, container["Id"], 2)
            client.containers.delete(container["Id"])
        except NotFound:
            continue
        removed[container["Names"][0].lstrip("/")] = lines
    return removed


if __name__ == "__main__":
    with Client() as client:
        for name, lines in remove_exited(client).items():
            print(name, *lines.decode("utf-8", "replace").splitlines(), sep="\n    ")
