<?php
// Signs requests by the profile lgsp-v1 (RFC 9421, HMAC-SHA-256). Needs PHP 8.2 or later with the extension curl.
//
//   php sign.php --self-test   reproduces the worked example of the connection guide; needs no cluster
//   php sign.php               takes a small packet the whole way: sends, accepts, fetches and confirms it
//
// The second reads LGSP_URL, LGSP_KEY, LGSP_SECRET_FILE, LGSP_UNIT and, unless the system trusts the nodes, LGSP_CA.
// In a program of yours: require 'sign.php', which then runs nothing.

declare(strict_types=1);

namespace Lgsp;

final class Signer
{
    // Headers that change what a request means: where one is sent, it is signed too.
    private const COVERED =
        ['authorization', 'idempotency-key', 'packet-digest', 'upload-length', 'upload-offset', 'upload-metadata', 'upload-concat'];

    // The secret is the text as it was issued: it is not decoded.
    public function __construct(
        public readonly string $key,
        #[\SensitiveParameter] private readonly string $secret,
    ) {
    }

    /** The headers to add to a request. `$headers` are the ones that it has already, `$body` its octets if it has any. */
    public function sign(
        string $method, string $url, array $headers = [], ?string $body = null, ?int $created = null, ?string $nonce = null,
    ): array {
        $added = [];
        $components = ['@method' => $method, '@target-uri' => self::normal($url)];
        if ($body !== null) {
            $added['Content-Digest'] = 'sha-256=:' . base64_encode(hash('sha256', $body, true)) . ':';
            $components['content-digest'] = $added['Content-Digest'];
        }
        foreach ($headers as $name => $value) {
            if (in_array(strtolower($name), self::COVERED, true)) {
                $components[strtolower($name)] = trim((string) $value);
            }
        }
        $params = sprintf(
            '("%s");created=%d;nonce="%s";keyid="%s";tag="lgsp-v1"',
            implode('" "', array_keys($components)), $created ?? time(), $nonce ?? bin2hex(random_bytes(16)), $this->key,
        );
        $base = '';
        foreach ($components as $name => $value) {
            $base .= "\"$name\": $value\n";
        }
        $base .= "\"@signature-params\": $params";
        $signature = base64_encode(hash_hmac('sha256', $base, $this->secret, true));
        return $added + ['Signature-Input' => "lgsp=$params", 'Signature' => "lgsp=:$signature:"];
    }

    /** The target as the node sees it: host in lower case, no default port, at least one slash. */
    public static function normal(string $url): string
    {
        if (!preg_match('~^https://([^/?#]+)([^?#]*)(\?[^#]*)?~i', $url, $part)) {
            throw new \InvalidArgumentException("not a URL of https: $url");
        }
        $authority = preg_replace('~:443$~', '', strtolower($part[1]));
        return "https://$authority" . ($part[2] === '' ? '/' : $part[2]) . ($part[3] ?? '');
    }
}

/** An answer that is an error (RFC 9457). Go by `word` or `code`; `retryable` tells whether another try may help. */
final class Problem extends \RuntimeException
{
    public function __construct(public readonly int $status, public readonly array $problem)
    {
        parent::__construct(sprintf('%d %s: %s (trace_id %s)',
            $status, $problem['code'] ?? '', $problem['detail'] ?? '', $problem['trace_id'] ?? ''));
    }
}

final class Client
{
    private readonly string $url;
    private readonly Signer $signer;
    private readonly \CurlHandle $curl;

    public function __construct(string $url, string $key, string $secretFile, private readonly string $ca = '')
    {
        $secret = file_get_contents($secretFile);
        if ($secret === false) {
            throw new \RuntimeException("cannot read $secretFile");
        }
        // Some editors put a byte order mark before the secret, or a line break behind it; neither is part of it.
        $secret = rtrim(preg_replace('~^\xEF\xBB\xBF~', '', $secret), "\r\n");
        $this->url = rtrim($url, '/');
        $this->signer = new Signer($key, $secret);
        $this->curl = curl_init(); // one handle, so that the connection is used again
    }

    /** Sends one signed request and gives [headers, body]. Every attempt is signed anew: to try again is to call again. */
    public function call(string $method, string $path, array $headers = [], ?string $body = null): array
    {
        $url = Signer::normal($this->url . $path);
        $headers = array_change_key_case($headers);
        $signed = $this->signer->sign($method, $url, $headers, $body);
        $lines = [];
        foreach ($headers + $signed + ($body === null ? [] : ['content-type' => 'application/json']) as $name => $value) {
            $lines[] = "$name: $value";
        }
        $got = [];
        curl_reset($this->curl);
        curl_setopt_array($this->curl, [
            CURLOPT_URL => $url,
            CURLOPT_PATH_AS_IS => true,
            CURLOPT_CUSTOMREQUEST => $method,
            CURLOPT_NOBODY => $method === 'HEAD',
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_CONNECTTIMEOUT => 10,
            CURLOPT_TIMEOUT => 60,
            CURLOPT_HTTPHEADER => $lines,
            CURLOPT_HEADERFUNCTION => function ($curl, string $line) use (&$got): int {
                if (str_contains($line, ':')) {
                    [$name, $value] = explode(':', $line, 2);
                    $got[strtolower($name)] = trim($value);
                }
                return strlen($line);
            },
        ]);
        if ($body !== null) {
            curl_setopt($this->curl, CURLOPT_POSTFIELDS, $body);
        }
        if ($this->ca !== '') {
            curl_setopt($this->curl, CURLOPT_CAINFO, $this->ca);
        }
        $answer = curl_exec($this->curl);
        if ($answer === false) {
            throw new \RuntimeException(curl_error($this->curl));
        }
        $status = curl_getinfo($this->curl, CURLINFO_RESPONSE_CODE);
        if ($status >= 400) {
            throw new Problem($status, json_decode($answer, true) ?? ['detail' => $answer]);
        }
        return [$got, $answer];
    }

    public function json(string $method, string $path, array $headers = [], ?string $body = null): array
    {
        return json_decode($this->call($method, $path, $headers, $body)[1], true, flags: JSON_THROW_ON_ERROR);
    }
}

function selfTest(): void
{
    $signer = new Signer('AKAAAAAAAAAAAAAAAAAAAA', 'uFzR4bQ1m8w3yV7tK0nXjL2cHsD9aGpE5iOeJxTqZrY');
    $signature = $signer->sign('GET', 'https://LGSP.example.vn:443/v1/units?q=a',
        created: 1795334851, nonce: '0123456789abcdef0123456789abcdef')['Signature'];
    if ($signature !== 'lgsp=:uXFqoqvtXYyI31nFbTVnWlRni21OOXUmw3IgZkeaMfg=:') {
        throw new \RuntimeException("made $signature");
    }
    echo "the worked example is right\n";
}

function wholeWay(): void
{
    $lgsp = new Client(getenv('LGSP_URL'), getenv('LGSP_KEY'), getenv('LGSP_SECRET_FILE'), getenv('LGSP_CA') ?: '');
    $inbox = $lgsp->json('GET', '/v1/inbox?limit=10');
    echo 'waiting: ', count($inbox['items']), $inbox['next'] === null ? '' : ' and more', "\n";

    // A small packet is one multipart form. It is made whole first, as its digest is signed.
    $request = ['targets' => [getenv('LGSP_UNIT')], 'title' => 'Công văn số 12', 'media_type' => 'text/plain'];
    $boundary = 'lgsp-' . bin2hex(random_bytes(12));
    $form = "--$boundary\r\nContent-Disposition: form-data; name=\"request\"\r\nContent-Type: application/json\r\n\r\n"
        . json_encode($request, JSON_THROW_ON_ERROR)
        . "\r\n--$boundary\r\nContent-Disposition: form-data; name=\"content\"; filename=\"Công văn số 12.txt\"\r\n"
        . "Content-Type: text/plain\r\n\r\nNội dung công văn số 12\n\r\n--$boundary--\r\n";
    $packet = $lgsp->json('POST', '/v1/packets', [
        'Content-Type' => "multipart/form-data; boundary=$boundary",
        'Idempotency-Key' => bin2hex(random_bytes(16)),
    ], $form)['packet'];
    echo "sent: $packet\n";

    // The target takes it: accept and fetch in one request, compare the digest, keep the file, then confirm.
    [$headers, $content] = $lgsp->call('POST', "/v1/packets/$packet/accept", ['Accept' => 'application/octet-stream']);
    if ($headers['repr-digest'] !== 'sha-256=:' . base64_encode(hash('sha256', $content, true)) . ':') {
        throw new \RuntimeException('the digest differs');
    }
    preg_match("~filename\*=UTF-8''([^;]+)~i", $headers['content-disposition'] ?? '', $name);
    echo 'received: ', rawurldecode($name[1] ?? ''), ', ', strlen($content), " octets\n";
    $lgsp->call('POST', "/v1/packets/$packet/confirm", [], json_encode(['digest' => hash('sha256', $content)]));
    echo $lgsp->json('GET', "/v1/packets/$packet")['state'], "\n";
}

if (PHP_SAPI === 'cli' && realpath($_SERVER['SCRIPT_FILENAME']) === __FILE__) {
    try {
        ($argv[1] ?? '') === '--self-test' ? selfTest() : wholeWay();
    } catch (\RuntimeException $problem) {
        fwrite(STDERR, $problem->getMessage() . "\n");
        exit(1);
    }
}
