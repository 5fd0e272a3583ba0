# The signing examples of docs/examples: each makes the worked example of the guide, takes a packet the whole way at a
# node of its own, shows a refusal, and trusts no node that the authority did not certify. Sourced by run.sh.

signing_example() { # What one example does: its name, then the command. in_guide runs the lines that the guide gives for it.
  local name=$1
  shift
  "$@" --self-test > /dev/null
  echo "ok   signing in $name: the worked example"
  "$@" > "$scratch/signing.out"
  grep -q '^received: Công văn số 12.txt, 30 octets' "$scratch/signing.out"
  [ "$(tail -n 1 "$scratch/signing.out")" = completed ]
  echo "ok   signing in $name: a packet went the whole way"
  refused 'LGSP-1317: .*(trace_id [0-9a-f]\{32\})' env LGSP_KEY=AKAAAAAAAAAAAAAAAAAAAA "$@"
  echo "ok   signing in $name: a refusal is shown with code and trace"
  in_guide > "$scratch/signing.out"
  grep -q items "$scratch/signing.out"
  echo "ok   signing in $name: the lines of the guide"
  # The other authority has the same name: a chain by names alone would hold.
  LGSP_CA=${LGSP_CA:+$scratch/other.pem} XDG_CONFIG_HOME=$scratch/other-trust refused 'certif\|PKIX' "$@"
  echo "ok   signing in $name: no other authority is trusted"
}

refused() { # The command fails and says so: a pattern, then the command.
  local pattern=$1
  shift
  if "$@" > "$scratch/signing.out" 2>&1; then cat "$scratch/signing.out"; return 1; fi
  grep -qi "$pattern" "$scratch/signing.out" || { cat "$scratch/signing.out"; return 1; }
}

mono_trust() { # Mono's own store of the authorities that a user trusts, as cert-sync fills it: a directory and a certificate.
  mkdir -p "$1/.mono/new-certs/Trust"
  cp "$2" "$1/.mono/new-certs/Trust/$(openssl x509 -hash -noout -in "$2").0"
}

lines() { # The guide's lines of a language, beside the examples: the language, the file.
  python3 "$here/guide.py" blocks "$1" > "$scratch/guide/$2"
}

in_bash() { # sign.sh alone, with a secret file as Windows writes it.
  bash docs/examples/sign.sh GET "$LGSP_URL/v1/inbox" "$LGSP_KEY" "$LGSP_SECRET_FILE" --fail-with-body > /dev/null
  echo "ok   signing in bash: a byte order mark before the secret does no harm"
}
in_java() {
  javac -encoding UTF-8 -d "$scratch/java" docs/examples/Sign.java
  lines java Inbox.java
  javac -encoding UTF-8 -cp "$scratch/java" -d "$scratch/java" "$scratch/guide/Inbox.java"
  in_guide() { java -cp "$scratch/java" Inbox; }
  signing_example Java java -Dfile.encoding=UTF-8 -XX:TieredStopAtLevel=1 -cp "$scratch/java" Sign
}
in_csharp() {
  mcs -langversion:7 -warnaserror -out:"$scratch/Sign.exe" -r:System.Net.Http.dll docs/examples/Sign.cs
  lines csharp Inbox.cs
  mcs -langversion:7 -warnaserror -main:Inbox -out:"$scratch/Inbox.exe" -r:System.Net.Http.dll docs/examples/Sign.cs "$scratch/guide/Inbox.cs"
  in_guide() { mono "$scratch/Inbox.exe"; }
  # Mono knows no addresses in certificates, and trusts by its own store: see the head of the example.
  mono_trust "$scratch/trust" "$LGSP_CA"
  mono_trust "$scratch/other-trust" "$scratch/other.pem"
  LGSP_CA='' LGSP_URL=${LGSP_URL/127.0.0.1/localhost} XDG_CONFIG_HOME=$scratch/trust signing_example C# mono "$scratch/Sign.exe"
}
in_php() {
  lines php inbox.php
  in_guide() { php "$scratch/guide/inbox.php"; }
  signing_example PHP php docs/examples/sign.php
}
in_javascript() {
  lines javascript inbox.mjs
  in_guide() { node "$scratch/guide/inbox.mjs"; }
  signing_example JavaScript node docs/examples/sign.mjs
}

with() { # Counts an example at a node, or says that it is left out: the node, the function, then the programs that it needs.
  local node=$1 example=$2 program
  shift 2
  for program in "$@"; do
    command -v "$program" > /dev/null || { left_out "the signing example ${example#in_}, as there is no $program here"; return; }
  done
  count as "$node" "$hmac" "$scratch/windows.secret" "$example"
}

signing_examples() {
  { printf '\xef\xbb\xbf'; tr -d '\r\n' < "$scratch/hmac.secret"; printf '\r\n'; } > "$scratch/windows.secret"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$scratch/other.key" -out "$scratch/other.pem" \
    -days 2 -subj "/$(openssl x509 -in "$LGSP_CA" -noout -subject -nameopt RFC2253 | sed 's/^subject= *//')" 2> /dev/null
  with 1 in_bash
  with 2 in_java javac java
  with 3 in_csharp mcs mono
  with 1 in_php php
  with 2 in_javascript node
}
