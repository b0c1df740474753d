"""BasicSR's and Real-ESRGAN's networks. Import them from here: `import basicsr` or `realesrgan` alone fails.

BasicSR 1.4.2, its last release, takes one function from `torchvision.transforms.functional_tensor`, which
torchvision 0.17 renamed; and to import any part of basicsr imports all of it, as realesrgan 0.3.0 does.
"""

import sys
from types import ModuleType

from torchvision.transforms.functional import rgb_to_grayscale

_renamed = ModuleType("torchvision.transforms.functional_tensor")
_renamed.rgb_to_grayscale = rgb_to_grayscale  # type: ignore[attr-defined]
sys.modules.setdefault(_renamed.__name__, _renamed)

from basicsr.archs.rrdbnet_arch import RRDBNet  # noqa: E402
from basicsr.archs.srresnet_arch import MSRResNet  # noqa: E402
from realesrgan.archs.srvgg_arch import SRVGGNetCompact  # noqa: E402

__all__ = ["MSRResNet", "RRDBNet", "SRVGGNetCompact"]
