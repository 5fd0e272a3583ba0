# shellcheck shell=bash
# The national side at programs that are not ours: lxml and Java's own XML read what `lgsp edxml` writes, and
# requests-oauthlib gets a token of the simulator, pyxroad and fastapi-xroad-soap speak through it. Sourced by run.sh.

by_lxml() {
  mkdir -p "$scratch/edxml"
  head -c 200000 /dev/urandom > "$scratch/edxml/cong-van.pdf"
  seq 20000 > "$scratch/edxml/phu-luc.txt"
  "$lgsp" edxml build --from "H41.08=Sở Khoa học và Công nghệ" --to "H41.101=UBND phường Thành Vinh" --to H41.230 \
    --number 1542 --notation SKHCN-CĐS --subject "V/v kết nối <LGSP> & «liên thông»" \
    --attach "$scratch/edxml/cong-van.pdf" --attach "$scratch/edxml/phu-luc.txt" > "$scratch/edxml/document.edxml"
  "$lgsp" edxml status "$scratch/edxml/document.edxml" --code 03 --from H41.101 > "$scratch/edxml/status.edxml"
  "$lgsp" edxml check "$scratch/edxml/document.edxml" "$scratch/edxml/status.edxml"
  "$python" "$here/edxml.py" "$scratch/edxml/document.edxml" "$scratch/edxml/status.edxml" \
    "$scratch/edxml/cong-van.pdf" "$scratch/edxml/phu-luc.txt"
}
by_java_xml() {
  java "$here/Edxml.java" "$scratch/edxml/document.edxml" "$scratch/edxml/cong-van.pdf" "$scratch/edxml/phu-luc.txt"
}
simulated() { # Runs a client against a simulator that has been started with the arguments behind `--`.
  local client=() code=0
  while [ "$1" != -- ]; do client+=("$1"); shift; done
  shift
  rm -f "$scratch/edxml/said.json"
  "$lgsp" simulate national --port 0 -o json "$@" > "$scratch/edxml/said.json" 2> "$scratch/edxml/simulator.log" &
  local simulator=$!
  # It ends with this step, however that ends.
  trap 'kill "$simulator" 2> /dev/null' EXIT
  eventually "the simulator says where it is" python3 -m json.tool "$scratch/edxml/said.json"
  "$python" "${client[@]}" "$scratch/edxml/said.json" || code=$?
  kill "$simulator"
  wait "$simulator" || code=$?
  trap - EXIT
  return "$code"
}
by_oauth() { # A token and a call at the simulated gateway, by requests-oauthlib.
  simulated "$here/national.py" --
}
by_xroad() { # pyxroad calls the portal, and a service that fastapi-xroad-soap provides behind the simulator.
  local port=$scratch/edxml/provider.port code=0
  "$python" "$here/xroad_provider.py" "$port" 2> "$scratch/edxml/provider.log" &
  local provider=$!
  trap 'kill "$provider" 2> /dev/null' EXIT
  eventually "the provider listens" test -s "$port"
  (simulated "$here/xroad_consumer.py" -- --provide "soap:TraCuuHoSo=http://127.0.0.1:$(cat "$port")/service") || code=$?
  kill "$provider"
  wait "$provider" || true
  trap - EXIT
  return "$code"
}
