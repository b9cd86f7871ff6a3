"""The nearest point of a hyperplane inside the pixel box, without sorting.

For the point x in [0, 1]^d and the plane {z: <w, z> = b}, find the smallest d (in the norm) with
x + d on the plane and in the box. In both norms the solution is monotone in one multiplier t >= 0:
each coordinate moves by t (Linf) or t |w_i| (L2) until it meets its bound, and the progress towards
the plane, g(t), is piecewise linear, increasing and concave. Newton's method from t = 0 therefore
never overshoots, and ends at the solution after as many steps as it meets new pieces; each costs
one pass over the coordinates, where the published algorithm sorts them.

A plane does not change when w and b are multiplied with one number, so both are first brought to
where w's largest entry is about 1. Every row stops for itself, so that none depends on the others.

What is 0 or 1 is kept as a float: on a CPU torch mixes it with other floats ten times faster than a
bool.

Source: Croce & Hein 2020, arXiv 1907.02044 (the problem, solved there by
sorting).
"""

import torch
from torch import Tensor

from eval.attacks.rows import may_ask
from eval.lengths import length, leveller

N_NEWTON = 20
"""Steps at most. Each settles all coordinates that saturate before the current tangent's zero."""

FAR = 1e30
"""Beyond every bound, and finite: times zero it is zero."""


def levelled(w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The same planes, w (B, D) and b (B,), with w's largest entry in [1, 2).

    b: an offset, or how far a point is from one: it is brought to the scale of w.
    """
    factor = leveller(w)
    return w * factor, (b * factor.squeeze(1)).clamp(-FAR, FAR)


def distance_to_plane(w: Tensor, gap: Tensor, norm: str) -> Tensor:
    """How far in `norm` each point is from its plane, whatever the box: (B,), or infinite.

    w: (B, D) the normals. gap: (B,) by how much the points miss the planes: |gap| over the dual
    norm of w. Infinite where w is zero, or where there is no telling because something is NaN.
    """
    factor = leveller(w)
    w = w * factor
    dual = w.abs().sum(1) if norm == "Linf" else length(w)
    distance = gap.abs() * factor.squeeze(1) / dual
    return torch.where((dual > 0) & ~distance.isnan(), distance, torch.inf)


def move_onto(x: Tensor, w: Tensor, b: Tensor, norm: str) -> Tensor:
    """The smallest move in `norm`, "Linf" or "L2", onto the plane, d (..., B, D).

    x: (..., B, D) points in [0, 1]. w: (B, D), b: (B,), `levelled`. Where the plane does not meet
    the box, the move towards it ends at the bounds.
    """
    gap = b - (w * x).sum(-1)
    way = w.sign() * gap.sign()[..., None]
    # How far each coordinate may move that way: to 1 where it rises, else to 0.
    room = torch.gt(way, 0, out=torch.empty_like(way)).sub_(x).abs_()
    speed = w.abs()
    pace = None if norm == "Linf" else speed
    t = _multiplier(gap.abs(), room, speed, pace)[..., None]
    return torch.minimum(room, t if pace is None else t * pace).mul_(way)


def _multiplier(needed: Tensor, room: Tensor, speed: Tensor, pace: Tensor | None) -> Tensor:
    """The t (..., B) at which the moves `min(room, t pace)`, all with `speed`, are `needed` in sum.

    needed: (..., B). room: (..., B, D). speed: (B, D). pace: (B, D), None for 1 everywhere.
    """
    gain = speed if pace is None else speed * pace
    t = torch.zeros_like(needed)
    for i in range(N_NEWTON):
        reach = t[..., None] if pace is None else t[..., None] * pace
        is_free = torch.gt(room, reach, out=torch.empty_like(room))  # 1.0 or 0.0
        slope = is_free.mul_(gain).sum(-1)
        # At t = 0 nothing has moved.
        missing = needed - torch.minimum(room, reach).mul_(speed).sum(-1) if i else needed
        # A flat sum means that every coordinate is at its bound: the plane is out of reach.
        step = missing.clamp_min(0).div_(slope).nan_to_num_(nan=0.0, posinf=FAR)
        moved = step.add_(t).clamp_max_(FAR)
        goes_on = moved > t * (1 + 1e-6)
        t = torch.where(goes_on, moved, t)
        if may_ask(t) and not bool(goes_on.any()):
            break
    return t
