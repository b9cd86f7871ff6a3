from tests.zoo.doctor.isolation import machine

__all__ = ["machine"]  # a fixture
