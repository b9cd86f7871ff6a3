"""Cards of a package of its own, in both forms: a file of cards, and a function that makes some."""

from pathlib import Path

from zoo.cards import Claim, InputSpec, ModelCard, ThreatSpec

FILE = Path(__file__).with_name("cards.yaml")


def made() -> list[ModelCard]:
    """A model that is only described: whoever has its weights names them."""
    threat = ThreatSpec(norm="L2", eps="0.5")
    return [
        ModelCard(
            name="resnet8-gelu-example-digits",
            family="example",
            arch="satzoo_resnet8_digits",
            activation="gelu",
            method="sat",
            dataset="digits",
            classes=10,
            input=InputSpec(channels=1, size=8, mean=(0.5,), std=(0.5,)),
            threat=threat,
            parameters=77754,
            claims=(Claim(accuracy=0.9, protocol="clean", source="an example, of no paper"),),
        )
    ]
