#include "history/dictionary.h"

namespace kith::history {

// By hand, from what standards and common programs write, rarest first: zstd reaches what stands last by the
// shortest distances. Nothing of anybody's mail is in it.
std::string_view dictionary() {
    static constexpr std::string_view text =
        R"text(<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN" "http://www.w3.org/TR/html4/loose.dtd"><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd"><html xmlns="http://www.w3.org/1999/xhtml"><html lang="en"><head><META http-equiv="Content-Type" content="text/html; charset=utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title></title><style type="text/css">body { margin: 0; padding: 0; background-color: #ffffff; font-family: Arial, Helvetica, sans-serif; font-size: 14px; line-height: 1.5; color: #333333; text-decoration: none; } @media only screen and (max-width: 600px) { width: 100% !important; }</style></head><body bgcolor="#FFFFFF" text="#000000" link="#0000FF"><center><table width="600" border="0" align="center" cellpadding="0" cellspacing="0" style="border-collapse: collapse;" role="presentation"><tbody><tr><td align="left" valign="top" height="20" colspan="2" style="padding: 10px 20px; text-align: center; vertical-align: top;"><font face="Arial, Helvetica, sans-serif" size="2" color="#000000"><font face="Verdana" size="1"><strong></strong></font></td></tr></tbody></table></center><div align="center"><p class="MsoNormal"><span style="font-size: 12px; display: none;"><a href="https://www." target="_blank"><img src="http://www." width="1" height="1" border="0" alt=""></a></span></p></div><br><br>&nbsp;&nbsp;&nbsp;</b></blockquote></body></html>
{"Id":"","For":[{"Id":"","Type":1}],"ThreadId":"","Alias":"","Subject":"","Cc":[{"Who":"","WhoUid":"","By":"","ByUid":"","Note":"","Date":"2026-","Subscribe":true}],"Attach":[{"Name":"u:.pdf","Size":
{"id":"","from":"","gid":"","posted":"2026-01-01T00:00:00.000Z","headsum":,"datalen":,"datahead":,"datasum":,"op":"delivery","posted":"2025-
{"alias":"","uid":"","address":"=","site":"","pin":"","identity":"","msgid":"","for":["
{"threadid":"","alias":"","subject":"","cc":[{"who":"","whouid":"","by":"","byuid":"","note":"","date":"","subscribe":true}],"attach":[{"name":"u:.jpg","size":

------=_NextPart_000_0000_01C00000.
This is a multi-part message in MIME format.
Content-Type: multipart/mixed; boundary="
Content-Type: multipart/alternative; boundary="----=_Part_
Content-Type: multipart/signed; micalg=pgp-sha256; protocol="application/pgp-signature"
Content-Type: application/octet-stream; name="
Content-Type: application/pdf; name="
Content-Type: image/png; name="image001.png"
Content-Type: image/jpeg; name="
Content-Disposition: attachment; filename="
Content-Disposition: inline
Content-ID: <
Content-Type: text/html; charset="utf-8"
Content-Type: text/html; charset="iso-8859-1"
Content-Transfer-Encoding: base64

Content-Type: text/plain; charset="us-ascii"
Content-Transfer-Encoding: quoted-printable

-----BEGIN PGP SIGNATURE-----
Version: GnuPG v1
Comment: 
-----END PGP SIGNATURE-----
=20
=3D"
  =E2=80=99 =E2=80=9C =C2=A0
_______________________________________________
 mailing list
To unsubscribe from this list, send an email to 
http://lists.
/mailman/listinfo/
----- Original Message -----
-----Original Message-----
 wrote:
> > > 
> 
-- 
Best regards, Kind regards, Thank you very much for your message. Thanks, Regards, Dear Sir, Hello, Hi all, please let me know if you have any questions. Please do not hesitate to contact me. I am looking forward to hearing from you. If you no longer wish to receive these emails, click here to unsubscribe. You are receiving this email because you signed up. All rights reserved. View this email in your browser. Privacy Policy. Copyright (c) Click here for more information about the free offer. Sent from my phone. in the next week on Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday, January, February, March, April, May, June, July, August, September, October, November, December. because through between however something without another everything people should would could there their about which people think really don't I'm it's that's you're doesn't can't have been will be there is it is of the in the to the on the for the and the that the with the from the by the at the as well as a lot of one of the some of the would have been might want to going to be able to have to need to used to make sure trying to looking for more than at least out of in order to seems to be as far as I know the same the other the first time I think that you can do this if you want to do that they are not the only ones who have been using this for years and this is what was said when it comes to
Received: from mail.example.com (mail.example.com [192.168.1.1]) by mx1.example.org (Postfix) with ESMTP id 4
	by localhost with IMAP (fetchmail-5.9.0)
	for <user@localhost> (single-drop); 
Received: from localhost (localhost [127.0.0.1])
	by smtp.gmail.com with ESMTPS id 
	(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
	 key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)
	(version=TLS1_2 cipher=ECDHE-RSA-AES128-GCM-SHA256 bits=128/128);
	(envelope-from <
	(8.11.6/8.11.6) with SMTP id g8
	(Exim 3.35 #1 (Debian))
	helo=
	Sun, Mon, Tue, Wed, Thu, Fri, Sat, 1 Jan 2002 00:00:00 +0000 (UTC) +0100 (BST) (IST) -0700 (PDT) -0400 (EDT) (CEST) GMT
	Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec 2024 2025 2026
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=gmail.com; s=20230601; t=1; x=1; darn=
	h=to:subject:message-id:date:from:in-reply-to:references:mime-version:content-type:list-unsubscribe:list-unsubscribe-post:reply-to:cc;
	bh=
ARC-Seal: i=1; a=rsa-sha256; t=; cv=none; d=google.com; s=arc-20160816; b=
ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=google.com; s=arc-20160816;
ARC-Authentication-Results: i=1; mx.google.com; dkim=pass header.i=@ header.s= header.b=; spf=pass (google.com: domain of  designates  as permitted sender) smtp.mailfrom=; dmarc=pass (p=NONE sp=QUARANTINE dis=NONE) header.from=
Authentication-Results: 
Received-SPF: pass (
X-Received: by 2002:a05:
X-Google-Smtp-Source: 
X-Google-DKIM-Signature: v=1;
X-Gm-Message-State: 
X-MS-Exchange-Organization-AuthSource: 
X-MS-Has-Attach: 
X-MS-TNEF-Correlator: 
X-MS-Exchange-CrossTenant-
X-Forefront-Antispam-Report: 
X-Microsoft-Antispam: 
Thread-Topic: 
Thread-Index: 
Accept-Language: en-US
Content-Language: en-US
Feedback-ID: 
Return-Path: <
Delivered-To: 
Sender: 
Errors-To: 
Organization: 
X-Priority: 3 (Normal)
X-MSMail-Priority: Normal
Importance: Normal
X-Mailer: Microsoft Outlook Express 6.00.2600.0000
X-Mailer: Mozilla 4.
X-MimeOLE: Produced By Microsoft MimeOLE V6.00.2600.0000
User-Agent: Mozilla Thunderbird
User-Agent: Mutt/1.4i
X-Accept-Language: en
X-Originating-IP: [
X-Authentication-Warning: 
X-Virus-Scanned: 
X-Spam-Status: No, hits=-4.1 required=5.0 tests=BAYES_00,DKIM_SIGNED,DKIM_VALID,HTML_MESSAGE,SPF_HELO_NONE,SPF_PASS autolearn=ham version=3.4
X-Spam-Level: 
X-Spam-Score: 
X-Beenthere: 
X-Mailman-Version: 2.0.11
X-Loop: 
Precedence: bulk
Precedence: list
List-Help: <mailto:-request@?subject=help>
List-Post: <mailto:
List-Subscribe: <http:
List-Id: 
List-Unsubscribe: <https://
	<mailto:-request@?subject=unsubscribe>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
List-Archive: <http://
Auto-Submitted: auto-generated
Reply-To: 
References: <
In-Reply-To: <
Message-ID: <
Message-Id: <
MIME-Version: 1.0
Mime-Version: 1.0
Content-Type: text/plain; charset=us-ascii; format=flowed
Content-Type: text/plain; charset="UTF-8"
Content-Type: text/plain; charset=ISO-8859-1
Content-Transfer-Encoding: 7bit
Content-Transfer-Encoding: 8bit
Content-Length: 
Cc: 
Subject: Re: Fwd: [
From: "
To: <
Date: 
)text";
    return text;
}

}  // namespace kith::history
