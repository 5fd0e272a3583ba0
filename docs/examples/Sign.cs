// Signs requests by the profile lgsp-v1 (RFC 9421, HMAC-SHA-256). Needs .NET, .NET Framework 4.7.2 or Mono 6.8, no packages.
//
//   Sign --self-test   reproduces the worked example of the connection guide; needs no cluster
//   Sign               takes a small packet the whole way: sends, accepts, fetches and confirms it
//
// The second reads LGSP_URL, LGSP_KEY, LGSP_SECRET_FILE, LGSP_UNIT and, unless the system trusts the nodes, LGSP_CA.
// To build: as the one file of a console project, or `mcs -r:System.Net.Http.dll Sign.cs`. Mono cannot check such a
// certificate by itself: take the authority into its store (`cert-sync --user authority.pem`), leave LGSP_CA empty, and
// call the node by a name, as Mono knows no addresses in certificates.

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;

namespace Lgsp
{
    /// <summary>Signs every request that an HttpClient sends, each attempt anew.</summary>
    public sealed class Signer : DelegatingHandler
    {
        // Headers that change what a request means: where one is sent, it is signed too.
        static readonly string[] Covered =
            { "authorization", "idempotency-key", "packet-digest", "upload-length", "upload-offset", "upload-metadata", "upload-concat" };

        readonly string key;
        readonly byte[] secret;

        /// <summary>The secret is the text as it was issued: it is not decoded.</summary>
        public Signer(string key, string secret, HttpMessageHandler inner) : base(inner)
        {
            this.key = key;
            this.secret = Encoding.ASCII.GetBytes(secret);
        }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancel)
        {
            byte[] body = request.Content == null ? null : await request.Content.ReadAsByteArrayAsync().ConfigureAwait(false);
            var nonce = new byte[16];
            using (var random = RandomNumberGenerator.Create()) random.GetBytes(nonce);
            Sign(request, body, DateTimeOffset.UtcNow.ToUnixTimeSeconds(), Hex(nonce));
            return await base.SendAsync(request, cancel).ConfigureAwait(false);
        }

        /// <summary>Adds the headers of the signature to a request; `body` is null if it has none.</summary>
        public void Sign(HttpRequestMessage request, byte[] body, long created, string nonce)
        {
            // A Uri has its host in lower case, no default port and at least one slash, and so it is sent.
            var target = request.RequestUri.GetComponents(UriComponents.HttpRequestUrl, UriFormat.UriEscaped);
            var names = new List<string> { "@method", "@target-uri" };
            var values = new List<string> { request.Method.Method, target };
            foreach (var header in new[] { "Content-Digest", "Signature-Input", "Signature" }) request.Headers.Remove(header);
            if (body != null)
            {
                var digest = "sha-256=:" + Convert.ToBase64String(Sha256(body)) + ":";
                request.Headers.Add("Content-Digest", digest);
                names.Add("content-digest");
                values.Add(digest);
            }
            foreach (var header in request.Headers.Where(header => Covered.Contains(header.Key.ToLowerInvariant())))
            {
                names.Add(header.Key.ToLowerInvariant());
                values.Add(string.Join(", ", header.Value).Trim());
            }
            var parameters = "(" + string.Join(" ", names.Select(name => '"' + name + '"')) + ");created=" + created
                + ";nonce=\"" + nonce + "\";keyid=\"" + key + "\";tag=\"lgsp-v1\"";
            names.Add("@signature-params");
            values.Add(parameters);
            var signatureBase = string.Join("\n", names.Zip(values, (name, value) => '"' + name + "\": " + value));
            using (var hmac = new HMACSHA256(secret))
            {
                var signature = Convert.ToBase64String(hmac.ComputeHash(Encoding.UTF8.GetBytes(signatureBase)));
                request.Headers.Add("Signature-Input", "lgsp=" + parameters);
                request.Headers.Add("Signature", "lgsp=:" + signature + ":");
            }
        }

        public static byte[] Sha256(byte[] octets)
        {
            using (var sha = SHA256.Create()) return sha.ComputeHash(octets);
        }

        public static string Hex(byte[] octets) => BitConverter.ToString(octets).Replace("-", "").ToLowerInvariant();
    }

    /// <summary>An answer that is an error (RFC 9457). Go by its `word` or `code`; `retryable` tells whether to try again.</summary>
    public sealed class Problem : Exception
    {
        public readonly int Status;
        public readonly string Json;

        public Problem(int status, string json) : base(string.Format("{0} {1}: {2} (trace_id {3})", status,
            Client.Member(json, "code"), Client.Member(json, "detail"), Client.Member(json, "trace_id")))
        {
            Status = status;
            Json = json;
        }
    }

    public static class Client
    {
        /// <summary>A client that signs. `caFile` is the authority to trust instead of the system's; null for those.</summary>
        public static HttpClient Connect(string url, string key, string secretFile, string caFile)
        {
            // Some editors put a byte order mark before the secret, which ReadAllText leaves out, or a line break behind it.
            var secret = File.ReadAllText(secretFile).TrimEnd('\r', '\n');
            var handler = new HttpClientHandler();
            if (!string.IsNullOrEmpty(caFile))
            {
                var trusted = Certificates(caFile);
                handler.ServerCertificateCustomValidationCallback = (request, certificate, chain, errors) =>
                    Trusts(trusted, certificate, errors);
            }
            return new HttpClient(new Signer(key, secret, handler)) { BaseAddress = new Uri(url), Timeout = TimeSpan.FromSeconds(30) };
        }

        static X509Certificate2[] Certificates(string pemFile) =>
            Regex.Matches(File.ReadAllText(pemFile), "-----BEGIN CERTIFICATE-----(.*?)-----END", RegexOptions.Singleline)
                .Cast<Match>().Select(pem => new X509Certificate2(Convert.FromBase64String(pem.Groups[1].Value))).ToArray();

        // The name has to be right, and the chain has to hold and to end at an authority of ours.
        static bool Trusts(X509Certificate2[] trusted, X509Certificate2 certificate, SslPolicyErrors errors)
        {
            if ((errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != 0) return false;
            using (var chain = new X509Chain())
            {
                chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
                chain.ChainPolicy.VerificationFlags = X509VerificationFlags.AllowUnknownCertificateAuthority;
                chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.1"));  // a server's
                chain.ChainPolicy.ExtraStore.AddRange(trusted);
                if (!chain.Build(certificate)) return false;
                var root = chain.ChainElements[chain.ChainElements.Count - 1].Certificate.RawData;
                return trusted.Any(one => one.RawData.SequenceEqual(root));
            }
        }

        /// <summary>Sends a request and reads the answer, or throws a Problem.</summary>
        public static async Task<HttpResponseMessage> Send(HttpClient http, HttpMethod method, string path,
            HttpContent body = null, string header = null, string value = null)
        {
            var request = new HttpRequestMessage(method, path) { Content = body };
            if (header != null) request.Headers.Add(header, value);
            var answer = await http.SendAsync(request);
            if (answer.IsSuccessStatusCode) return answer;
            throw new Problem((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
        }

        // The first string of that name in a JSON text. In a program use the library that you have.
        public static string Member(string json, string name) =>
            Regex.Unescape(Regex.Match(json, '"' + name + "\":\"((?:[^\"\\\\]|\\\\.)*)\"").Groups[1].Value);
    }

    public static class Program
    {
        static async Task WholeWay(HttpClient lgsp, string unit)
        {
            var inbox = await (await Client.Send(lgsp, HttpMethod.Get, "/v1/inbox?limit=10")).Content.ReadAsStringAsync();
            Console.WriteLine("waiting: " + Regex.Matches(inbox, "\"packet\":").Count);

            // A small packet is one multipart form. The signer reads it whole, as its digest is signed.
            var request = "{\"targets\":[\"" + unit + "\"],\"title\":\"Công văn số 12\",\"media_type\":\"text/plain\"}";
            var content = new StringContent("Nội dung công văn số 12\n", Encoding.UTF8, "text/plain");
            var form = new MultipartFormDataContent
            {
                { new StringContent(request, Encoding.UTF8, "application/json"), "request" },
                { content, "content", "Công văn số 12.txt" },
            };
            var sent = await Client.Send(lgsp, HttpMethod.Post, "/v1/packets", form, "Idempotency-Key", Guid.NewGuid().ToString());
            var packet = Client.Member(await sent.Content.ReadAsStringAsync(), "packet");
            var path = "/v1/packets/" + packet;
            Console.WriteLine("sent: " + packet);

            // The target takes it: accept and fetch in one request, compare the digest, keep the file, then confirm.
            var fetched = await Client.Send(lgsp, HttpMethod.Post, path + "/accept", null, "Accept", "application/octet-stream");
            var octets = await fetched.Content.ReadAsByteArrayAsync();
            var digest = Signer.Sha256(octets);
            var told = fetched.Headers.GetValues("Repr-Digest").Single();
            if (told != "sha-256=:" + Convert.ToBase64String(digest) + ":") throw new InvalidDataException("the digest differs");
            Console.WriteLine("received: {0}, {1} octets", fetched.Content.Headers.ContentDisposition.FileNameStar, octets.Length);
            var receipt = new StringContent("{\"digest\":\"" + Signer.Hex(digest) + "\"}", Encoding.UTF8, "application/json");
            await Client.Send(lgsp, HttpMethod.Post, path + "/confirm", receipt);
            var ended = await Client.Send(lgsp, HttpMethod.Get, path);
            Console.WriteLine(Client.Member(await ended.Content.ReadAsStringAsync(), "state"));
        }

        static void SelfTest()
        {
            var request = new HttpRequestMessage(HttpMethod.Get, "https://LGSP.example.vn:443/v1/units?q=a");
            new Signer("AKAAAAAAAAAAAAAAAAAAAA", "uFzR4bQ1m8w3yV7tK0nXjL2cHsD9aGpE5iOeJxTqZrY", new HttpClientHandler())
                .Sign(request, null, 1795334851, "0123456789abcdef0123456789abcdef");
            var signature = request.Headers.GetValues("Signature").Single();
            if (signature != "lgsp=:uXFqoqvtXYyI31nFbTVnWlRni21OOXUmw3IgZkeaMfg=:") throw new InvalidDataException("made " + signature);
            Console.WriteLine("the worked example is right");
        }

        static string Env(string name) => Environment.GetEnvironmentVariable(name);

        static async Task<int> Run(string[] arguments)
        {
            Console.OutputEncoding = new UTF8Encoding(false);
            try
            {
                if (arguments.Contains("--self-test")) SelfTest();
                else
                    using (var lgsp = Client.Connect(Env("LGSP_URL"), Env("LGSP_KEY"), Env("LGSP_SECRET_FILE"), Env("LGSP_CA")))
                        await WholeWay(lgsp, Env("LGSP_UNIT"));
                return 0;
            }
            catch (Exception error) when (error is Problem || error is HttpRequestException || error is IOException
                || error is InvalidDataException || error is TaskCanceledException)
            {
                Console.Error.WriteLine(error.GetBaseException().Message);
                return 1;
            }
        }

        public static int Main(string[] arguments) => Run(arguments).GetAwaiter().GetResult();
    }
}
