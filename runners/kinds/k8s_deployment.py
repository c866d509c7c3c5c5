"""K8S/Deployment: a service rolled out to a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from pipelines.kinds import Kind, Params, register
from runners.kinds.k8s import PODS_MAX, ContainerParams
from runners.kinds.k8s_names import DnsLabel, PortName, is_dns_label, matching

DEADLINE_MAX_SECONDS = 7 * 24 * 60 * 60
_PORTS = 100
_SHARE = "25%"

Share = (
    Annotated[str, *matching(r"[0-9]{1,4}%", most=5, expected="a number of pods or a percentage like '25%'")]
    | Annotated[int, Field(ge=0, lt=2**31)]
)
PortNumber = Annotated[int, Field(ge=1, le=65535)]


class Strategy(Params):
    """How old pods give way to new ones."""

    type: Literal["RollingUpdate", "Recreate"] = Field(
        default="RollingUpdate", description="One by one, or all at once."
    )
    max_surge: Share | None = Field(
        default=None, description=f"Pods beyond `replicas` during the rollout, {_SHARE} by default."
    )
    max_unavailable: Share | None = Field(
        default=None, description=f"Pods that may be missing during the rollout, {_SHARE} by default."
    )

    def as_kubernetes(self) -> dict[str, Any]:
        """Return it with nothing left to Kubernetes' defaults.

        Defaults belong to no field manager: they would stay, and be in the way, when the type changes to Recreate.
        """
        if self.type == "Recreate":
            return {"type": "Recreate"}
        surge, unavailable = (_SHARE if each is None else each for each in (self.max_surge, self.max_unavailable))
        return {"type": self.type, "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def _can_move(strategy: str | Strategy) -> str | Strategy:
    if not isinstance(strategy, Strategy):
        return strategy
    surge, unavailable = strategy.max_surge, strategy.max_unavailable
    if strategy.type == "Recreate" and (surge, unavailable) != (None, None):
        raise ValueError("of type Recreate takes neither 'max_surge' nor 'max_unavailable': remove them")
    if {str(surge).strip("0%"), str(unavailable).strip("0%")} == {""}:
        raise ValueError("cannot have both 'max_surge' and 'max_unavailable' 0: no pod could ever be replaced")
    if isinstance(unavailable, str) and int(unavailable[:-1]) > 100:
        raise ValueError("must have a 'max_unavailable' of at most 100%")
    return strategy


class Port(Params):
    """A port on which the container listens."""

    container_port: PortNumber = Field(description="Its number.")
    name: PortName | None = Field(
        default=None, description="What Services and probes call it; unique in the container."
    )
    protocol: Literal["TCP", "UDP", "SCTP"] = Field(default="TCP", description="TCP by default.")

    def as_kubernetes(self) -> dict[str, Any]:
        """Return it as Kubernetes has it."""
        named = {} if self.name is None else {"name": self.name}
        return {**named, "containerPort": self.container_port, "protocol": self.protocol}


def _distinct(ports: list[int | Port]) -> list[int | Port]:
    listed = [port if isinstance(port, Port) else Port(container_port=port) for port in ports]
    if len({(port.container_port, port.protocol) for port in listed}) < len(listed):
        raise ValueError("must not hold the same port and protocol twice")
    names = [port.name for port in listed if port.name is not None]
    if len(set(names)) < len(names):
        raise ValueError("must not give two ports the same name")
    return ports


class DeploymentParams(ContainerParams):
    """Parameters of a K8S/Deployment job."""

    name: DnsLabel | None = Field(
        default=None,
        description="Name of the Deployment, a DNS label; left out, the job's name, which must then be one.",
    )
    replicas: Annotated[int, Field(ge=0, le=PODS_MAX)] | None = Field(
        default=None, description="How many pods serve; left out, 1 at first, and afterwards as an autoscaler says."
    )
    ports: Annotated[list[PortNumber | Port], Field(max_length=_PORTS), AfterValidator(_distinct)] = Field(
        [], description="Ports on which the container listens, by number or in full."
    )
    strategy: Annotated[Literal["RollingUpdate", "Recreate"] | Strategy, AfterValidator(_can_move)] = Field(
        "RollingUpdate", description="How old pods give way to new ones, by name or in full."
    )
    progress_deadline_seconds: Annotated[int, Field(ge=1, le=DEADLINE_MAX_SECONDS)] | None = Field(
        default=None, description="Seconds without progress after which the rollout has failed; 600 by default."
    )
    rollback_on_failure: bool = Field(
        False, description="Whether a rollout that fails returns to the revision that served before."
    )

    @property
    def update_strategy(self) -> Strategy:
        """The strategy in full."""
        return self.strategy if isinstance(self.strategy, Strategy) else Strategy(type=self.strategy)

    @property
    def port_list(self) -> list[Port]:
        """The ports in full."""
        return [port if isinstance(port, Port) else Port(container_port=port) for port in self.ports]


@register
class K8sDeployment(Kind):
    """A Deployment created or updated by server-side apply, done once its rollout is."""

    name = "K8S/Deployment"
    version = "1.0.0"
    runner_type = "kubernetes"
    summary = "Roll out a container as a Deployment in a Kubernetes cluster."
    params_model = DeploymentParams
    example: ClassVar[Mapping[str, Any]] = {
        "container_name": "web",
        "image_name": "nginx:1.29",
        "name": "web",
        "replicas": 2,
        "ports": [80],
        "progress_deadline_seconds": 300,
        "rollback_on_failure": True,
    }

    def name_problem(self, name: str, *, params: Mapping[str, Any]) -> str | None:
        """Return what is wrong with the job's name if the Deployment is to have it."""
        if params.get("name") is not None or is_dns_label(name):
            return None
        return (
            "must be a DNS label (1 to 63 lower-case letters, digits and '-', the first and last no '-'), since the "
            "Deployment is called like the job: change it, or give the Deployment a name in 'params'"
        )
