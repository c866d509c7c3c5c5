"""What becomes of a container, by the name of its image (the package's docstring lists the plays)."""

from __future__ import annotations

from dataclasses import dataclass

from tests.kubernetes_api.resources import Object

WAITING = {
    "invalid": ("InvalidImageName", 'Failed to apply default image tag "{image}": couldn\'t parse image name'),
    "config": ("CreateContainerConfigError", 'secret "missing" not found'),
}
PULL = (
    ("ErrImagePull", 'failed to pull and unpack image "{image}": failed to resolve reference: not found'),
    ("ImagePullBackOff", 'Back-off pulling image "{image}": ErrImagePull: not found'),
)


@dataclass(frozen=True)
class Play:
    name: str
    argument: str
    image: str

    @property
    def rounds(self) -> int:
        """How many rounds a container runs before it ends, or before it is ready."""
        return int(self.argument) if self.name == "slow" else 1

    @property
    def exit_code(self) -> int:
        match self.name:
            case "exit":
                return int(self.argument)
            case "oom":
                return 137
            case "crash":
                return 1
        return 0

    def waiting(self, *, rounds: int) -> tuple[str, str] | None:
        """Why the container does not start, if it does not; `rounds` counts from the pod's first on its node."""
        if self.name == "bad":
            reason, message = PULL[min(rounds, len(PULL)) - 1]
        elif self.name in WAITING:
            reason, message = WAITING[self.name]
        else:
            return None
        return reason, message.format(image=self.image)


def play_of(pod: Object) -> Play:
    image = pod["spec"]["containers"][0]["image"]
    name, _, rest = image.partition("/")
    argument = rest.partition(":")[0]
    if image.rpartition("/")[2].partition(":")[0] != image.rpartition("/")[2].partition(":")[0].lower():
        name = "invalid"  # as the kubelet: no capitals in a repository
    return Play(name if rest else "", argument, image)


def container_status(name: str, *, image: str, state: Object, ready: bool = False, restarts: int = 0) -> Object:
    status = {"name": name, "image": image, "imageID": "", "ready": ready, "restartCount": restarts}
    return status | {"started": "running" in state, "state": state, "lastState": {}}
