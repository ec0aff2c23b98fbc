"""The secret key of the embedded mode: made once, kept in the data directory, readable by its owner only."""

import os
import pathlib
import secrets


def embedded_key(data_dir: pathlib.Path) -> str:
    """Return the key in `data_dir/secret_key`, making it (and the directory) on the first start."""
    path = data_dir / "secret_key"
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    except FileExistsError:
        pass
    return path.read_text().strip()
