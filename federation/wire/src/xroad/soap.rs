//! SOAP through X-Road (PR-MESS 4.0): envelopes, and faults, which a security server sends with the status 200.
//!
//! What is read is an envelope in memory; of a message with attachments it is the first MIME part.

use super::{
    class::ErrorType,
    soap_header::{HeaderFault, SoapHeader},
    xml::{Element, IDENTIFIERS, REPRESENTATION, SOAP, XROAD, XmlError, XmlLimits, escaped},
};

/// An envelope. A security server keeps no more than 10 MiB of a body in its log and refuses what is larger.
pub const SOAP_LIMITS: XmlLimits =
    XmlLimits { octets_max: 10 << 20, depth_max: 64, elements_max: 100_000 };

/// A message that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoapMessage {
    /// The header of X-Road. A fault may come without.
    pub header: Option<SoapHeader>,
    /// What the message says.
    pub body: SoapBody,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SoapBody {
    /// A call or its answer: the one element of the body.
    Content(Element),
    /// A failure, of X-Road or of the provider.
    Fault(SoapFault),
}

/// A fault of SOAP 1.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoapFault {
    /// `faultcode`.
    pub code: String,
    /// `faultstring`, for people.
    pub message: String,
    /// `faultactor`; X-Road leaves it empty.
    pub actor: String,
    /// `detail/faultDetail` without a namespace: what to look for in the log of the security server.
    pub detail: Option<String>,
}

impl SoapFault {
    /// The error of X-Road that it is; none for a provider's own fault.
    ///
    /// X-Road's codes have no prefix and name the part that failed. `Server` alone, which any provider may say, is X-Road's
    /// only with its detail.
    pub fn x_road(&self) -> Option<ErrorType> {
        let kind = ErrorType::parse(&self.code).filter(|_| !self.code.contains(':'))?;
        let is_ours = kind.origin().is_some() && (self.code.contains('.') || self.detail.is_some());
        is_ours.then_some(kind)
    }
}

/// Why a message is none of X-Road.
#[derive(Debug, thiserror::Error)]
pub enum SoapError {
    /// It is no XML within the limits.
    #[error("the message is no XML that is accepted")]
    Xml(#[from] XmlError),
    /// It is no envelope of SOAP 1.1 with one body in it.
    #[error("the message is no SOAP 1.1: {reason}")]
    Form {
        /// Why.
        reason: &'static str,
    },
    /// Its header is none of X-Road.
    #[error("the header of the message is wrong")]
    Header(#[from] HeaderFault),
}

impl SoapMessage {
    /// Reads an envelope. Believe no status of HTTP before this: faults come with 200 too.
    ///
    /// # Errors
    ///
    /// Whatever makes it no message of X-Road.
    pub fn read(octets: &[u8]) -> Result<Self, SoapError> {
        let form = |reason| SoapError::Form { reason };
        let root = Element::parse(octets, SOAP_LIMITS)?;
        if !root.is(SOAP, "Envelope") {
            return Err(form("its root is no envelope"));
        }
        let mut headers = root.all(SOAP, "Header");
        let (header, second) = (headers.next(), headers.next());
        if second.is_some() {
            return Err(form("it has two headers"));
        }
        let mut bodies = root.all(SOAP, "Body");
        let (Some(body), None) = (bodies.next(), bodies.next()) else {
            return Err(form("it has no body, or two"));
        };
        let [content] = body.children() else {
            return Err(form("its body has no element, or several"));
        };
        if content.is(SOAP, "Fault") {
            let is_x_road = |child: &Element| child.namespace() == XROAD;
            let header = header.filter(|header| header.children().iter().any(is_x_road));
            let header = header.map(SoapHeader::parse).transpose()?;
            return Ok(Self { header, body: SoapBody::Fault(fault_of(content)) });
        }
        let header = header.ok_or_else(|| form("it has no header"))?;
        let (header, body) = (SoapHeader::parse(header)?, SoapBody::Content(content.clone()));
        Ok(Self { header: Some(header), body })
    }

    /// Writes a call or an answer.
    ///
    /// # Errors
    ///
    /// Content that is not exactly one element of XML, which declares its own prefixes.
    pub fn write(header: &SoapHeader, content: &str) -> Result<Vec<u8>, SoapError> {
        Element::parse(content.as_bytes(), SOAP_LIMITS)?;
        if content.starts_with('\u{feff}') || content.trim_start().starts_with("<?") {
            return Err(SoapError::Form { reason: "the content has a declaration" });
        }
        let message = envelope(Some(header), content);
        // The content stands two levels deeper now and the whole is longer: what we send, others must be able to read.
        Self::read(&message)?;
        Ok(message)
    }

    /// Writes a fault, with the request's header where it is known.
    pub fn write_fault(header: Option<&SoapHeader>, fault: &SoapFault) -> Vec<u8> {
        let [code, message, actor] =
            [&fault.code, &fault.message, &fault.actor].map(|t| escaped(t));
        let detail = fault.detail.as_deref().map(|detail| {
            format!("<detail><faultDetail xmlns=\"\">{}</faultDetail></detail>", escaped(detail))
        });
        let detail = detail.unwrap_or_default();
        let fault = format!(
            "<e:Fault><faultcode>{code}</faultcode><faultstring>{message}</faultstring>\
             <faultactor>{actor}</faultactor>{detail}</e:Fault>"
        );
        envelope(header, &fault)
    }

    /// Whether the content is named like the service: what a request's must be.
    pub fn is_request(&self) -> bool {
        self.is_named("")
    }

    /// Whether the content is named like the service and `Response`: what an answer's must be.
    pub fn is_answer(&self) -> bool {
        self.is_named("Response")
    }

    fn is_named(&self, ending: &str) -> bool {
        match (&self.header, &self.body) {
            (Some(header), SoapBody::Content(content)) => {
                content.name().strip_prefix(header.service.code.as_str()) == Some(ending)
            }
            _ => false,
        }
    }
}

fn envelope(header: Option<&SoapHeader>, content: &str) -> Vec<u8> {
    let header = header.map(|header| format!("<e:Header>{}</e:Header>", header.to_xml()));
    let header = header.unwrap_or_default();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<e:Envelope xmlns:e=\"{SOAP}\" \
         xmlns:xrd=\"{XROAD}\" xmlns:id=\"{IDENTIFIERS}\" xmlns:repr=\"{REPRESENTATION}\">\
         {header}<e:Body>{content}</e:Body></e:Envelope>"
    )
    .into_bytes()
}

/// The parts of a fault have no namespace; some providers give them that of SOAP.
fn fault_of(fault: &Element) -> SoapFault {
    let part = |name: &str| {
        let is_it = |child: &&Element| child.is("", name) || child.is(SOAP, name);
        fault.children().iter().find(is_it)
    };
    let text = |name| part(name).map(|child| child.text().to_owned()).unwrap_or_default();
    let detail = part("detail").and_then(|detail| detail.all("", "faultDetail").next());
    SoapFault {
        code: text("faultcode").trim().to_owned(),
        message: text("faultstring"),
        actor: text("faultactor"),
        detail: detail.map(|detail| detail.text().to_owned()),
    }
}
