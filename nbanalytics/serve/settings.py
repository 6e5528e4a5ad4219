"""How the server is set up: closed, with kernels ready for the listed dashboards alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from traitlets.config import Config

from nbanalytics.export import Dashboard
from nbanalytics.export.assets import PAGES
from nbanalytics.export.frame import POLICY

TEMPLATE = "nbanalytics"
_HEATED = 1  # pages kept ready for each dashboard, 42 MB each; heating more starves visitors on two cores
#: Headers of every answer: nothing from outside, no frame elsewhere, no guessing of types, no devices.
SECURE = {
    "Content-Security-Policy": POLICY.format(own="'self'") + "; frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "nbanalytics",
}


@dataclass(frozen=True)
class Limits:
    """What live pages may take of the machine.

    Attributes
    ----------
    pages
        Pages with a kernel at the same time; a kernel takes some 40 MB.
    idle
        Seconds without a choice after which a page's kernel ends.
    each
        Pages with a kernel that one visitor may have.
    """

    pages: int = 60
    idle: int = 900
    each: int = 12


class ThisPython(KernelSpecManager):
    """Know one kernel only: the Python that runs the server, whatever kernels the user has installed."""

    def find_kernel_specs(self) -> dict[str, str]:
        """Return the only kernel."""
        return {"python3": str(PAGES)}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the only kernel, whatever name was asked for."""
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="Python 3", language="python", name="python3")


def settings_for(dashboards: Sequence[Dashboard], idle: int) -> Config:
    """Return the configuration of the server: closed, and with kernels ready for the listed dashboards alone."""
    config = Config()
    config.VoilaConfiguration = Config(
        template=TEMPLATE,
        allow_template_override="NO",
        allow_theme_override="NO",
        strip_sources=True,
        show_tracebacks=False,
        file_allowlist=[],
        extension_allowlist=["none"],
        kernel_spec_manager_class=ThisPython,
        preheat_kernel=True,
        default_pool_size=0,
    )
    config.VoilaKernelManager.kernel_pools_config = {
        "default": {"pool_size": 0},
        **{entry.path.name: {"pool_size": _HEATED} for entry in dashboards},
    }
    # A page whose kernel has ended gets another one when it asks for a view, so that even open tabs need not keep one.
    config.MappingKernelManager = Config(cull_idle_timeout=idle, cull_interval=min(idle, 60), cull_connected=True)
    config.KernelRestarter.restart_limit = 0  # a kernel started anew would know nothing of its page
    if os.name == "posix":  # sockets in a folder of ours, not ports that others on the machine can reach
        config.KernelManager.transport = "ipc"
    return config
