# Downloads by the programs that everybody has, with a token: curl over HTTP/1.1 and HTTP/2, and wget, which speaks
# HTTP/1.1 only. In one go and in two ranges, curl's from two nodes, each ends as picked up. Sourced by run.sh, whose
# functions it uses.

send_small() { # Sends a small packet in one round trip; its id comes in `packet`.
  local file=$1 boundary=ranh-gioi-7f3a
  {
    printf -- '--%s\r\nContent-Disposition: form-data; name="request"\r\nContent-Type: application/json\r\n\r\n' $boundary
    printf '{"targets":["%s"],"title":"Bản đồ","media_type":"application/zip"}\r\n' "$LGSP_UNIT"
    printf -- '--%s\r\nContent-Disposition: form-data; name="content"; filename="Bản đồ.zip"\r\n\r\n' $boundary
    cat "$file"
    printf -- '\r\n--%s--\r\n' $boundary
  } > "$scratch/form"
  signed POST /v1/packets "$scratch/form" -H "Content-Type: multipart/form-data; boundary=$boundary" > "$scratch/sent.json"
  packet=$(member packet < "$scratch/sent.json")
}

picked_up() { signed GET "/v1/packets/$packet" | grep -q '"state":"picked_up"'; }

by_curl() { # In one go under the name that it is given, or in two ranges that curl puts together.
  local version=$1 how=$2
  local fetch=(curl -sSf --cacert "$LGSP_CA" "--$version" -H "Authorization: Bearer $token" "$address")
  if [ "$how" = whole ]; then
    "${fetch[@]}" -OJ
  else
    "${fetch[@]}" -r 0-99999 -o "Ban do.zip"
    [ "$(wc -c < "Ban do.zip")" = 100000 ]
    # The rest comes from another node: any of them takes any request.
    address=$elsewhere${address#"$LGSP_URL"}
    fetch[-1]=$address
    "${fetch[@]}" -C - -o "Ban do.zip"
  fi
  # Which version it was, the server was asked for nothing else.
  [ "$("${fetch[@]}" -I -o head -w '%{http_version}')" = "$([ "$version" = http2 ] && echo 2 || echo 1.1)" ]
}

by_wget() {
  local how=$1
  local fetch=(wget -q --ca-certificate="$LGSP_CA" --header "Authorization: Bearer $token")
  if [ "$how" = whole ]; then
    "${fetch[@]}" --content-disposition "$address"
  else
    # It has no option for an end; the first half is what a broken connection would have left.
    "${fetch[@]}" --header "Range: bytes=0-99999" -O "Ban do.zip" "$address"
    [ "$(wc -c < "Ban do.zip")" = 100000 ]
    "${fetch[@]}" -c -O "Ban do.zip" "$address"
  fi
}

download() { # One packet by one program; the lines name both.
  local what=$1 file=$2
  shift 2
  send_small "$file"
  signed POST "/v1/packets/$packet/accept" > "$scratch/accepted.json"
  token=$(member token < "$scratch/accepted.json") address=$(member content_url < "$scratch/accepted.json")
  local place=$scratch/download.$packet
  mkdir "$place"
  # `signed` is found from where we are.
  (cd "$place"; "$@")
  # The name for old programs, or the true one.
  local saved
  for saved in "Ban do.zip" "Bản đồ.zip"; do
    [ ! -f "$place/$saved" ] || break
  done
  cmp "$file" "$place/$saved"
  echo "ok   $what: what was saved as $saved is what was sent"
  eventually "$what: the delivery is picked up" picked_up
  echo "ok   $what: the delivery is picked up"
}

by_downloads() {
  step "downloads by curl and wget"
  head -c 300000 /dev/urandom > "$scratch/small.zip"
  local elsewhere
  elsewhere=$(url 3)
  local how
  for how in whole ranges; do
    count as 1 "$hmac" "$scratch/hmac.secret" download "curl, HTTP/1.1, $how" "$scratch/small.zip" by_curl http1.1 $how
    count as 2 "$hmac" "$scratch/hmac.secret" download "curl, HTTP/2, $how" "$scratch/small.zip" by_curl http2 $how
    if command -v wget > /dev/null; then
      count as 3 "$hmac" "$scratch/hmac.secret" download "wget, $how" "$scratch/small.zip" by_wget $how
    else
      left_out "there is no wget here"
    fi
  done
}
