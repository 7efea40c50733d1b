"""How the pixels of a film move from one frame to the next, and where that can be relied on.

Flow is found by DIS (Kroeger et al. 2016), which has no weights, in OpenCV; the rest is Ruder et al. 2016. Imports
OpenCV on first use.
"""

import functools
import threading
from typing import Any, NamedTuple

import numpy as np

from nst_tf import errors

MINIMUM_SIDE_PX = 16  # DIS needs a patch of 8 px at half size
_OCCLUSION = (0.01, 0.5)  # share of the squared lengths, and squared px; Ruder et al. 2016, eq. 5
_BOUNDARY = (0.01, 0.002)  # the same of the squared gradients; Ruder et al. 2016, eq. 6
_QUICK_SCALE = 2  # halvings of the size at which quick flow ends; OpenCV's own for this setting
_SOFTENING_PX = 0.8  # sigma of the masks' smoothing; manuelruder/artistic-videos 40e7447, consistencyChecker

_of_thread = threading.local()  # an object of OpenCV is for one thread at a time


class Flow(NamedTuple):
    """Where each pixel of a frame was in an earlier one."""

    backward: np.ndarray  # float32 [H, W, 2]: x and y to add, in px, to a pixel's place in the frame
    reliable: np.ndarray  # float32 [H, W] in [0, 1]: 0 where a pixel was hidden, outside, or lies on a motion boundary

    @property
    def reliability(self) -> float:
        """The share of reliable pixels; near 0 at a cut."""
        return float(self.reliable.mean())


def check_installed() -> None:
    """Finds out before any work whether OpenCV is installed.

    Raises:
        NstError: it is not.
    """
    errors.need_package("optical flow needs", "cv2", "opencv-python-headless", "video")


def between(frame: np.ndarray, earlier: np.ndarray, *, fine: bool = False) -> Flow:
    """The flow from a frame back to an earlier one of the same scene.

    Args:
        frame: float32 [H, W, 3] in [0, 1]. Below `MINIMUM_SIDE_PX` no motion is found, and nothing is reliable.
        earlier: of the same shape.
        fine: goes on to the full size, where it otherwise ends at a quarter of it: half the error around things that
            move, for seven to nine times the time.

    Source: Ruder, Dosovitskiy & Brox 2016, "Artistic Style Transfer for Videos", section 4 and eq. 5 and 6.
    Deviations: DIS in place of DeepFlow or EpicFlow; pixels that come from outside the earlier frame are not reliable.
    """
    if min(frame.shape[:2]) < MINIMUM_SIDE_PX:
        return Flow(np.zeros([*frame.shape[:2], 2], np.float32), np.zeros(frame.shape[:2], np.float32))
    here, there = _grey(frame), _grey(earlier)
    backward, forward = _dis(fine).calc(here, there, None), _dis(fine).calc(there, here, None)
    return Flow(backward, _reliable(backward, forward))


def warped(picture: np.ndarray, backward: np.ndarray, *, sharp: bool = True) -> np.ndarray:
    """An earlier frame's picture, moved to where its pixels are in the frame that the flow belongs to.

    Args:
        picture: float32 [H, W, C].
        backward: as of `Flow`.
        sharp: interpolates by a cubic, whose values may lie a little outside the picture's; otherwise bilinearly,
            which blurs a picture that is warped again and again.

    Returns:
        float32 [H, W, C]; what comes from outside repeats the nearest border.
    """
    cv2 = _cv2()
    interpolation = cv2.INTER_CUBIC if sharp else cv2.INTER_LINEAR
    x, y = _places(*backward.shape[:2])
    return cv2.remap(
        picture, x + backward[..., 0], y + backward[..., 1], interpolation, borderMode=cv2.BORDER_REPLICATE
    )


def smoothed(picture: np.ndarray, sigma_px: float) -> np.ndarray:
    """A float32 picture [H, W] or [H, W, C] under a Gaussian."""
    return _cv2().GaussianBlur(picture, (0, 0), sigma_px)


def spread(motion: np.ndarray, side_px: int) -> np.ndarray:
    """How far apart the motions in a square around each pixel are, in px, float32 [H, W]."""
    cv2 = _cv2()
    square = np.ones((side_px, side_px), np.uint8)
    apart = cv2.dilate(motion, square) - cv2.erode(motion, square)
    return cv2.magnitude(apart[..., 0], apart[..., 1])


def sharpness(picture: np.ndarray) -> float:
    """The standard deviation of the Laplacian of a float32 picture [H, W, 3] in [0, 1], in grey levels of 255."""
    cv2 = _cv2()
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) * np.float32(255)
    return float(cv2.Laplacian(grey, cv2.CV_32F).std())


def _reliable(backward: np.ndarray, forward: np.ndarray) -> np.ndarray:
    u, v = (np.ascontiguousarray(backward[..., axis]) for axis in (0, 1))
    returned = warped(forward, backward, sharp=False)
    back_u, back_v = returned[..., 0], returned[..., 1]
    length = u * u + v * v
    difference = (back_u + u) ** 2 + (back_v + v) ** 2
    occluded = difference > _OCCLUSION[0] * (back_u * back_u + back_v * back_v + length) + _OCCLUSION[1]
    gradient = np.zeros_like(u)
    for part in (u, v):
        gradient[:, :-1] += (part[:, 1:] - part[:, :-1]) ** 2
        gradient[:-1] += (part[1:] - part[:-1]) ** 2
    boundary = gradient > _BOUNDARY[0] * length + _BOUNDARY[1]
    height, width = u.shape
    x, y = _places(height, width)
    x, y = x + u, y + v
    outside = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)
    return smoothed((~(occluded | boundary | outside)).astype(np.float32), _SOFTENING_PX)


def _grey(picture: np.ndarray) -> np.ndarray:
    cv2 = _cv2()
    levels = np.rint(picture * np.float32(255)).astype(np.uint8)
    return cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY)


def _dis(fine: bool) -> Any:
    """DIS at its second fastest setting; a slower one gains 12 % of the residual for five times the seconds."""
    if not hasattr(_of_thread, "dis"):  # its buffers take longer to make than a flow to find
        cv2 = _cv2()
        _of_thread.dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    _of_thread.dis.setFinestScale(0 if fine else _QUICK_SCALE)  # each time: a small frame changes it for all later ones
    return _of_thread.dis


@functools.lru_cache(maxsize=4)
def _places(height_px: int, width_px: int) -> tuple[np.ndarray, np.ndarray]:
    """X and y of each pixel, float32 [H, W] each."""
    x, y = np.meshgrid(np.arange(width_px, dtype=np.float32), np.arange(height_px, dtype=np.float32))
    return x, y


def _cv2() -> Any:
    check_installed()
    import cv2

    return cv2
