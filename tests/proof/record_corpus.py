#!/usr/bin/env python3
"""Records what programs of this version write, for later versions to read: tests/proof/corpus/VERSION.

    tests/proof/record_corpus.py

Run it once for each release. What is there already is never recorded anew: it stands for programs that are out."""
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/integration")]
import harness  # noqa: E402

# No certificates: what is recorded is for everybody to see.
MORE = harness.plain_gateway(18080, "wso2-apk-default").replace("name: http,", "name: httpslistener,") + """---
apiVersion: v1
kind: ConfigMap
metadata: {name: removed}
data: {key: value}
"""


def main():
    version = subprocess.run([str(harness.BIN / "apk-control-plane"), "--version"], capture_output=True, text=True,
                             check=True).stdout.split()[-1]
    folder = pathlib.Path(__file__).parent / "corpus" / version
    folder.mkdir(parents=True)  # Not over what is there.
    with harness.Gateway(agents=1, control_plane_flags=("--development-token-issuer=false",
                                                               "--defaults", "none")) as gateway:
        gateway.apkctl("apply", "-f", str(ROOT / "deploy/examples"), "-n", "default")
        gateway.apply(MORE)
        gateway.apkctl("delete", "configmap", "removed")
        gateway.settle()
        gateway.apkctl("backup", "-o", str(folder / "backup"))
        objects = sorted(f"{kind} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
                         for kind in ("API", "Backend", "ConfigMap", "Gateway", "GatewayClass", "HTTPRoute",
                                      "Namespace") for item in gateway.get(kind.lower(), "-A")["items"])
        gateway.agents[1].stop()
        gateway.control_plane.stop()
        shutil.copy(gateway.directory / "agent-1" / "snapshot", folder / "snapshot")
        with sqlite3.connect(gateway.data / "store.db") as database:
            database.execute("PRAGMA journal_mode=DELETE")  # All of it in one file.
        shutil.copy(gateway.data / "store.db", folder / "store.db")
        (folder / "objects").write_text("\n".join(objects) + "\n")
        gateway.start_control_plane()
        gateway.start_agent()  # They are stopped with the rest.
    subprocess.run([str(harness.BIN.parent / "tests/ut_proof_corpus"), "--gtest_filter=Recorded.*"], check=True,
                   env=os.environ | {"APK_CORPUS_RECORD": str(folder)})
    print(folder)


if __name__ == "__main__":
    main()
