from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from eval.errors import UsageError
from eval.threat import Threat
from zoo import card, list_models
from zoo.registry import FAMILIES
from zoo.train.recipe import (
    Recipe,
    check_for_data,
    check_recipe,
    differences,
    parse_recipe,
    read_recipe,
)

Make = Callable[..., Recipe]


@pytest.mark.parametrize("name", list_models())
def test_every_model_has_a_valid_recipe_for_its_own_threat(name: str) -> None:
    info = card(name)
    recipe = read_recipe(info)
    assert info.threat is not None
    own = Threat(info.threat.norm, info.threat.eps)
    assert Threat(recipe.attack_norm, recipe.attack_eps).eps == own.eps


@pytest.mark.parametrize("path", sorted(FAMILIES.glob("*/recipe*.yaml")), ids=str)
def test_every_recipe_begins_with_its_command_and_hardware(path: Path) -> None:
    head = path.read_text("utf-8").splitlines()
    assert head[0].startswith("# Command: ")
    assert any(line.startswith("# Hardware:") for line in head)


def test_twins_that_differ_in_activation_share_one_recipe() -> None:
    every = [name for name in list_models("resnet18-w16-*") if "cifar10" in name]
    names = [name for name in every if "-free-" not in name]
    assert (len(names), len(every)) == (17, 19)
    assert {card(name).recipe for name in names} == {"recipe-w16.yaml"}


def test_an_unknown_field_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="unknown field of the recipe x 'epoch': did you mean epo"):
        check_recipe({"epoch": 3}, "recipe x")


def test_a_recipe_cannot_be_changed(recipe: Make) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        recipe().epochs = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"loss_beta": 6}, "loss_beta: 6.0 goes with loss: trades or mart, not with loss: ce"),
        ({"loss": "trades", "mixup_alpha": 0.2}, "loss: trades needs one label an image"),
        ({"loss": "mart", "label_smoothing": 0.1}, "loss: mart has no label_smoothing, which is"),
        ({"schedule": "step", "gamma": 0.1}, "schedule: step needs milestones"),
        ({"milestones": [30]}, r"milestones: \[30.0\] go with schedule: step, not with schedule"),
        ({"schedule": "decay", "gamma": 0.9}, "schedule: decay and decay_epochs: None clash"),
        ({"gamma": 0.5}, "gamma: 0.5 goes with schedule: step or decay"),
        ({"schedule": "step", "milestones": [1]}, "schedule: step needs gamma"),
        ({"warmup_from": 0.1}, "warmup_from: 0.1 needs warmup_epochs above 0"),
        ({"warmup_epochs": 3}, "warmup_epochs: 3 leaves nothing of epochs: 3"),
        ({"ema_warmup": True}, "ema_warmup: true needs ema_decay above 0"),
        ({"patience": 2}, "patience: 2 needs validation_images above 0"),
        ({"overfitting_drop": 0.1}, "overfitting_drop: 0.1 needs validation_images above 0"),
        ({"attack_start": "image", "attack_clean_start": 0.2}, "attack_clean_start: 0.2 means no"),
        ({"accumulate": 17}, "accumulate: 17 pieces cannot be cut from batch_size: 16"),
        ({"awp_from_epoch": 1}, "awp_from_epoch: 1 needs awp_gamma above 0"),
        (
            {"loss": "trades", "attack_start": "image"},
            "attack_start: image with loss: trades is no attack",
        ),
        (
            {"attack_loss": "kl", "attack_start": "image"},
            "attack_start: image with attack_loss: kl is no attack",
        ),
        (
            {"loss": "trades", "attack_clean_start": 0.2},
            "attack_clean_start: 0.2 with loss: trades is no attack: .* set attack_start: uni",
        ),
        ({"free_replays": 4}, "free_replays: 4 needs attack_steps: 1, not 2: its attack has no pa"),
        (
            {"free_replays": 4, "attack_steps": 1},
            "free_replays: 4 needs attack_start: image, not uniform",
        ),
        *[
            (
                {"free_replays": 4, "attack_steps": 1, "attack_start": "image", **more},
                f"free_replays: 4 needs {message}: its attack has no passes of its own",
            )
            for more, message in [
                ({"loss": "mart"}, "loss: ce, not mart"),
                ({"awp_gamma": 0.1}, "awp_gamma: 0.0, not 0.1"),
                ({"accumulate": 2}, "accumulate: 1, not 2"),
                ({"attack_folded": True}, "attack_folded: false, not true"),
                ({"attack_clips_start": False}, "attack_clips_start: true, not false"),
            ]
        ],
    ],
)
def test_settings_that_clash_are_named_as_they_are_typed(
    recipe: Make, more: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        recipe(**more)


def test_another_attack_loss_may_start_at_the_image(recipe: Make) -> None:
    assert recipe(loss="trades", attack_loss="ce", attack_start="image").attack_start == "image"
    assert recipe(loss="mart", attack_clean_start=0.2).attack_clean_start == 0.2


@pytest.mark.parametrize(
    ("more", "in_memory", "scale", "message"),
    [
        ({"random_crop": [0.1, 1]}, True, 255, r"random_crop: \[0.1, 1.0\] is for picture files"),
        ({"color_jitter": 0.4}, True, 255, "color_jitter: 0.4 is for picture files"),
        ({"shift_pixels": 4}, False, 255, "shift_pixels: 4 is for images in memory"),
        ({"randaugment_ops": 2}, True, 16, "randaugment_ops: 2 needs pixels of 0..255, .* 0..16"),
    ],
)
def test_settings_that_would_do_nothing_to_the_data_are_refused(
    recipe: Make, more: dict[str, object], in_memory: bool, scale: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        check_for_data(recipe(**more), in_memory=in_memory, scale=scale)


@pytest.mark.parametrize("name", list_models())
def test_every_recipe_fits_the_kind_of_its_own_data(name: str) -> None:
    scales = {"digits": 16}
    dataset = card(name).dataset
    check_for_data(
        read_recipe(card(name)), in_memory=dataset != "imagenet", scale=scales.get(dataset, 255)
    )


def test_a_value_that_cannot_be_is_named_with_its_field(recipe: Make) -> None:
    with pytest.raises(UsageError, match=r"recipe of the test: momentum = 1.5: .* change it there"):
        recipe(momentum=1.5)
    with pytest.raises(UsageError, match="recipe of the test: batch_size: Field required"):
        check_recipe({"epochs": 3}, "recipe of the test")


def test_overrides_are_read_like_the_file(tmp_path: Path) -> None:
    path = FAMILIES / "digits" / "recipe.yaml"
    changed = parse_recipe(path, ["epochs=5", "flip=true", "random_crop=[0.1, 1]", "lr=1e-2"])
    assert (changed.epochs, changed.flip, changed.random_crop) == (5, True, (0.1, 1.0))
    assert differences(parse_recipe(path), changed) == [
        "epochs: 40 -> 5",
        "lr: 0.1 -> 0.01",
        "flip: False -> True",
        "random_crop: None -> (0.1, 1.0)",
    ]
    with pytest.raises(UsageError, match=r"`overrides=\['epochs'\]` is not FIELD=VALUE"):
        parse_recipe(path, ["epochs"])


def test_the_rate_scales_with_the_batch_only_where_the_recipe_says_so(recipe: Make) -> None:
    assert recipe().peak_lr == 0.05
    assert recipe(lr_per=64).peak_lr == pytest.approx(0.05 / 4)


def test_efficientnet_b0_on_cifar_has_the_settings_of_the_full_width_but_for_its_length() -> None:
    b0, w64 = (parse_recipe(FAMILIES / "cifar10" / f"recipe-{name}.yaml") for name in ("b0", "w64"))
    assert differences(w64, b0) == ["epochs: 15 -> 8", "warmup_epochs: 4.0 -> 2.0"]


def test_a_file_that_is_no_recipe_is_named(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    with pytest.raises(UsageError, match=r"recipe .*recipe.yaml cannot be read"):
        parse_recipe(path)
    path.write_text("")
    with pytest.raises(UsageError, match="holds no fields"):
        parse_recipe(path)
