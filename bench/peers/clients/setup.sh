#!/bin/sh
# Gets the peers that the side-by-side measures: bench/peers/.venv, node_modules and build/moby, nothing outside.
# Each by itself; what cannot be had is named with what would help, and then the status is 1.
cd "$(dirname "$0")/.." || exit
python=${PYTHON:-python3}
status=0

lacking() {
	echo "$1: not installed; $2" >&2
	status=1
}

if [ ! -x .venv/bin/python ] && ! "$python" -m venv .venv; then
	lacking "the peers in Python" "needs a Python with venv (apt-get install python3-venv, or PYTHON=...)"
else
	.venv/bin/python -m pip install -q --disable-pip-version-check \
		docker==7.2.0 aiodocker==0.27.0 aiohttp==3.14.5 httpx==0.28.1 h11==0.16.0 orjson==3.13.0 uvloop==0.23.0 ||
		lacking "docker-py, aiodocker, httpx, aiohttp, h11, orjson, uvloop" "pip could not get them (see above)"
fi

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
	lacking "dockerode" "needs Node with npm (apt-get install nodejs npm)"
else
	npm install --prefix . --no-save --no-package-lock --no-audit --no-fund --loglevel=error dockerode@5.0.1 >/dev/null ||
		lacking "dockerode" "npm could not get it (see above)"
fi

gopath=/usr/share/gocode
if ! command -v go >/dev/null || [ ! -d $gopath/src/github.com/docker/docker/client ]; then
	lacking "moby's Go client" "apt-get install golang-go golang-github-docker-docker-dev"
else
	mkdir -p build
	GO111MODULE=off GOPATH=$gopath GOFLAGS='' go build -o build/moby clients/moby.go ||
		lacking "moby's Go client" "it did not build (see above)"
fi

command -v docker >/dev/null || lacking "the docker command" "apt-get install docker-cli or docker.io"
exit $status
