# shellcheck shell=bash
# The national side at programs that are not ours: lxml and Java's own XML read what `lgsp edxml` writes, and
# requests-oauthlib gets a token of the simulator. Sourced by run.sh.

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
by_oauth() { # A token and a call at the simulated gateway, by requests-oauthlib.
  "$lgsp" simulate national --port 0 -o json > "$scratch/edxml/said.json" 2> "$scratch/edxml/simulator.log" &
  local simulator=$! code=0
  eventually "the simulator says where it is" python3 -m json.tool "$scratch/edxml/said.json"
  "$python" "$here/national.py" "$scratch/edxml/said.json" || code=$?
  kill "$simulator" && wait "$simulator"
  return "$code"
}
