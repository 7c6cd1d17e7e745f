package benign

import (
	"fmt"
	"strings"
)

type param = [2]string

func (g *Generator) path(list ...string) string {
	p := pick(g, list)
	if g.r.IntN(3) == 0 {
		p = pick(g, []string{"/en", "/de", "/fr-ca", "/store", "/app", "/web", "/v2", "/m", "/site"}) + p
	}
	return p
}

func (g *Generator) shop() string {
	switch g.r.IntN(5) {
	case 0:
		return g.build(g.path("/search", "/catalogsearch/result/", "/s", "/suche", "/produits/recherche"), param{pick(g, []string{"q", "query", "search", "text", "k", "keyword"}), g.phrase()},
			param{"page", g.number(40)}, param{"sort", pick(g, []string{"price_asc", "price-desc", "name", "rating:desc", "-created_at"})})
	case 1:
		return g.build(g.path("/category/"+g.slug(), "/c/"+g.number(999), "/collections/"+pick(g, english)),
			param{"price", g.number(50) + "-" + g.number(900)}, param{"color", pick(g, english) + "," + pick(g, english)},
			param{"filter[brand][]", pick(g, familyNames)}, param{"f[0]", "size:" + pick(g, []string{"S", "M", "XL", "38/40", `15"`, "1.5 m²"})},
			param{"min_price", "€ " + g.number(100)}, param{"pf_rd_r", strings.ToUpper(g.token(20))})
	case 2:
		return g.build(g.path("/cart/add", "/basket", "/checkout", "/warenkorb"), param{"sku", strings.ToUpper(g.token(6)) + "-" + g.number(99)}, param{"qty", g.number(9)},
			param{"options", fmt.Sprintf(`{"size":"%s","gift":%t,"note":"%s"}`, pick(g, english), g.r.IntN(2) == 0, g.phrase())}, param{"return", "/product/" + g.slug()},
			param{"coupon", strings.ToUpper(pick(g, english)) + "10%"})
	case 3:
		return g.build(g.path("/product/"+g.number(99999), "/dp/"+strings.ToUpper(g.token(10)), "/p/"+g.slug(), "/item.php", "/product.aspx", "/view.php"), param{"id", g.number(99999)},
			param{"ref", "sr_1_" + g.number(40)}, param{"variant", g.number(1 << 30)}, param{"qid", g.number(1 << 30)}, param{"name", g.phrase()}, param{"cat", g.phrase()}, param{"lang", pick(g, []string{"en", "de-DE", "pt_BR"})})
	}
	return g.path("/product/", "/p/", "/img/", "/media/") + segment(g.phrase()) + pick(g, []string{"", ".html", ".jpg", "/"})
}

// segment escapes a text as a part of a path.
func segment(s string) string {
	return strings.NewReplacer(" ", "%20", `"`, "%22", "?", "%3F", "#", "%23", "<", "%3C", ">", "%3E", "\n", "%0A", "/", "-").Replace(strings.ReplaceAll(s, "%", "%25"))
}

func (g *Generator) blog() string {
	switch g.r.IntN(4) {
	case 0:
		return g.build(fmt.Sprintf("/%d/%02d/%s", 2005+g.r.IntN(22), 1+g.r.IntN(12), g.slug()), param{"replytocom", g.number(9999)}, param{"utm_source", pick(g, english)})
	case 1:
		return g.build(g.path("/", "/index.php", "/blog", "/article", "/news", "/list.aspx", "/forum/post"), param{pick(g, []string{"s", "p", "title", "cat", "tag", "q", "name", "page", "ref"}), g.phrase()})
	case 2:
		return g.build(g.path("/comment", "/comments/preview", "/guestbook", "/reply", "/message", "/contact"), param{pick(g, []string{"text", "message", "body", "comment", "q"}), g.sentence()},
			param{"author", g.name()}, param{"email", g.mail()}, param{"url", g.link()})
	}
	return g.path("/tag/", "/author/", "/category/", "/wiki/") + segment(g.phrase())
}

func (g *Generator) search() string {
	q := g.phrase()
	if g.r.IntN(4) == 0 {
		q = g.sentence()
	}
	return g.build(g.path("/search", "/find", "/results", "/search.php", "/index.php", "/autocomplete", "/suggest", "/shop/search", "/query", "/get"),
		param{pick(g, []string{"q", "query", "search", "term", "s", "text", "title", "name", "keywords", "wd", "user", "item", "test", "x", "var"}), q},
		param{pick(g, []string{"u", "url", "link"}), g.link()}, param{pick(g, []string{"page", "start", "hl", "ie", "oq", "type"}), pick(g, []string{g.number(90), "UTF-8", "en", g.phrase()})}, param{"cx", g.number(1<<30) + ":" + g.token(11)})
}

func (g *Generator) api() string {
	base := g.path("/api/v1/"+pick(g, english)+"s", "/api/v2/users/"+g.uuid(), "/rest/"+pick(g, english), "/api/items", "/graphql", "/v3/"+pick(g, english))
	switch g.r.IntN(7) {
	case 0:
		return g.build(base, param{"filter", fmt.Sprintf(`{"where":{"%s":{"gte":%s},"name":{"like":"%s"}},"limit":%s}`, pick(g, english), g.number(99), g.phrase(), g.number(100))})
	case 1:
		return g.build(base, param{"fields", pick(g, english) + "," + pick(g, english) + "," + pick(g, english) + "(" + pick(g, english) + ")"}, param{"include", pick(g, english) + "." + pick(g, english)},
			param{"sort", "-created_at,+name"}, param{"page[size]", g.number(100)}, param{"page[number]", g.number(9)})
	case 2:
		return g.build(base, param{"since", g.date()}, param{"until", g.date()}, param{"tz", pick(g, []string{"Europe/Berlin", "UTC+02:00", "America/New_York", "GMT+0100 (CET)"})}, param{"_", g.number(1 << 30)})
	case 3:
		return g.build(base, param{"query", fmt.Sprintf("{ %s(id: %s, first: 10) { id %s edges { node { name %s } } } }", pick(g, english), g.number(999), pick(g, english), pick(g, english))},
			param{"variables", fmt.Sprintf(`{"id":"%s","withCount":true,"tags":["%s","%s"]}`, g.uuid(), pick(g, english), pick(g, english))}, param{"operationName", pick(g, english)})
	case 4:
		return g.build(base, param{"callback", "jQuery" + g.number(1<<30) + "_" + g.number(1<<30)}, param{"data", g.base64(12 + g.r.IntN(90))}, param{"sig", g.hex(64)})
	case 5:
		return g.build(base, param{"ids", g.number(999) + "," + g.number(999) + "," + g.number(999)}, param{"ids[]", g.number(99)}, param{"where[status]", pick(g, english)}, param{"or", "(age.gte." + g.number(60) + ",name.eq." + pick(g, english) + ")"})
	}
	return g.build(base, param{"token", "eyJhbGciOiJIUzI1NiJ9." + g.token(60) + "." + g.token(43)}, param{"email", g.mail()}, param{"phone", "+49 " + g.number(999) + "/" + g.number(999999)}, param{"name", g.name()})
}

func (g *Generator) tracking() string {
	switch g.r.IntN(3) {
	case 0:
		return g.build("/"+g.slug(), param{"utm_source", pick(g, english)}, param{"utm_medium", pick(g, []string{"email", "cpc", "social", "paid+social"})}, param{"utm_campaign", g.phrase()},
			param{"gclid", g.token(90)}, param{"fbclid", "IwAR" + g.token(57)}, param{"mc_eid", g.hex(10)}, param{"_ga", "2." + g.number(1<<30) + "." + g.number(1<<30)})
	case 1:
		return g.build(pick(g, []string{"/matomo.php", "/piwik.php", "/collect", "/pixel.gif", "/b/ss/" + pick(g, english) + "/1/JS-2.22.0"}), param{"action_name", g.sentence()}, param{"idsite", g.number(9)},
			param{"rec", "1"}, param{"r", g.number(999999)}, param{"url", g.link()}, param{"urlref", g.link()}, param{"_id", g.hex(16)}, param{"res", "1920x1080"}, param{"gt_ms", g.number(900)},
			param{"uadata", `{"fullVersionList":[{"brand":"Chromium","version":"125.0.6422.142"},{"brand":"Not.A/Brand","version":"24.0.0.0"}],"mobile":false,"platform":"Windows"}`},
			param{"cvar", `{"1":["` + pick(g, english) + `","` + g.phrase() + `"]}`})
	}
	return g.build("/e", param{"e", `{"t":"` + pick(g, english) + `","v":` + g.number(999) + `,"u":"` + g.link() + `"}`}, param{"ts", g.number(1 << 30)}, param{"dt", g.sentence()}, param{"sr", "1440x900"})
}

func (g *Generator) ads() string {
	switch g.r.IntN(3) {
	case 0:
		return fmt.Sprintf("/ddm/activity/src=%s;type=%s;cat=%s;u1=%s;u2=[%s];ord=1;num=%s?", g.number(9999999), pick(g, english), g.token(5), g.Value(g.phrase()), pick(g, english), g.number(1<<30))
	case 1:
		return g.build("/pagead/ads", param{"client", "ca-pub-" + g.number(1<<30)}, param{"output", "html"}, param{"adk", g.number(1 << 30)}, param{"url", g.link()}, param{"ref", g.link()},
			param{"frm", "20"}, param{"pv", "1"}, param{"u_h", "1080"}, param{"eid", g.number(1<<30) + "," + g.number(1<<30)}, param{"prev_fmts", "0x0,336x280"}, param{"psts", g.token(80)},
			param{"cust_params", "section=" + pick(g, english) + "&kw=" + g.phrase() + "&pos=[1|2]"}, param{"scp", "pos=top|kv=" + pick(g, english) + "!" + pick(g, english)}, param{"dssz", g.number(60)})
	}
	return g.build("/click", param{"dest", g.link()}, param{"xai", g.token(120)}, param{"sai", g.token(40)}, param{"macro", pick(g, []string{"${AUCTION_PRICE}", "[timestamp]", "%%CACHEBUSTER%%", "{{campaign.name}}", "{gclid}", "$$REF$$"})},
		param{"nm", g.number(9)}, param{"crid", g.number(1<<30) + ":" + g.number(99)}, param{"bidreq", g.base64(40 + g.r.IntN(60))})
}

func (g *Generator) signOn() string {
	switch g.r.IntN(3) {
	case 0:
		return g.build(g.path("/oauth2/authorize", "/authorize", "/auth/realms/main/protocol/openid-connect/auth", "/login/oauth/authorize"), param{"response_type", "code id_token"}, param{"client_id", g.uuid()},
			param{"redirect_uri", "https://" + g.host() + "/callback?next=/" + pick(g, english)}, param{"scope", "openid profile email offline_access"}, param{"state", g.base64(30)},
			param{"nonce", g.token(43)}, param{"code_challenge", g.token(43)}, param{"code_challenge_method", "S256"}, param{"claims", `{"id_token":{"acr":{"essential":true}}}`})
	case 1:
		return g.build(g.path("/saml/sso", "/simplesaml/saml2/idp/SSOService.php"), param{"SAMLRequest", g.base64(200)}, param{"RelayState", g.link()}, param{"SigAlg", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"}, param{"Signature", g.base64(128)})
	}
	return g.build(g.path("/login", "/wp-login.php", "/signin", "/account/verify"), param{"redirect_to", g.link()}, param{"next", "/" + g.slug() + "?tab=" + pick(g, english) + "&view=" + g.number(9)}, param{"reauth", "1"},
		param{"email", g.mail()}, param{"token", g.hex(40)}, param{"user", g.name()})
}

func (g *Generator) dashboard() string {
	switch g.r.IntN(4) {
	case 0:
		return g.build("/d/"+g.token(9)+"/"+g.slug(), param{"orgId", "1"}, param{"from", "now-6h"}, param{"to", "now"}, param{"var-host", "All"}, param{"var-job", pick(g, english) + "|" + pick(g, english)}, param{"refresh", "30s"}, param{"kiosk", "tv"})
	case 1:
		return g.build("/api/v1/query_range", param{"query", fmt.Sprintf(`sum(rate(%s_%s_total{job="%s",code=~"5..|4.."}[5m])) by (instance) / %s > 0.5`, pick(g, english), pick(g, english), pick(g, english), g.number(99))},
			param{"start", g.number(1<<30) + ".123"}, param{"step", "15s"})
	case 2:
		return g.build("/app/kibana", param{"_g", fmt.Sprintf("(filters:!(),refreshInterval:(pause:!t,value:0),time:(from:'%s',to:now))", g.date())},
			param{"_a", fmt.Sprintf("(columns:!(_source,%s),index:'%s-*',interval:auto,query:(language:kuery,query:'%s:%s and not %s:\"%s\"'),sort:!(!('@timestamp',desc)))", pick(g, english), pick(g, english), pick(g, english), pick(g, english), pick(g, english), g.phrase())})
	}
	return g.build("/render", param{"target", fmt.Sprintf("alias(summarize(stats.%s.*.%s,'1h','sum'),'%s')", pick(g, english), pick(g, english), g.phrase())}, param{"format", "json"}, param{"from", "-" + g.number(48) + "h"}, param{"cactiStyle", "true"})
}

// query has the query languages that people and programs use in the open.
func (g *Generator) query() string {
	switch g.r.IntN(4) {
	case 0:
		return g.build(g.path("/odata/"+pick(g, english)+"s", "/_api/web/lists/getbytitle('"+pick(g, english)+"')/items"), param{"$filter", pick(g, english) + " eq '" + pick(g, english) + "' and Price lt " + g.number(99) + ".5 or startswith(Name,'" + pick(g, english) + "')"},
			param{"$select", "Id,Title," + pick(g, english)}, param{"$orderby", pick(g, english) + " desc"}, param{"$top", g.number(100)}, param{"$expand", pick(g, english) + "/" + pick(g, english)})
	case 1:
		return g.build(g.path("/issues/", "/rest/api/2/search"), param{"jql", fmt.Sprintf(`project = %s AND status in ("Open", "In Progress") AND text ~ "%s" ORDER BY created DESC`, strings.ToUpper(pick(g, english)), g.phrase())}, param{"startAt", g.number(50)})
	case 2:
		return g.build(g.path("/_search", "/solr/main/select"), param{"q", fmt.Sprintf(`+%s:"%s" -%s:(%s OR %s)^2 date:[NOW-1DAY TO NOW]`, pick(g, english), g.phrase(), pick(g, english), pick(g, english), pick(g, english))},
			param{"fq", "{!tag=" + pick(g, english) + "}type:" + pick(g, english)}, param{"fl", "id,score,*"}, param{"rows", "10"}, param{"facet.field", "{!ex=dt}" + pick(g, english)})
	}
	return g.build(g.path("/search/code", "/issues", "/search/advanced"), param{"q", fmt.Sprintf(`is:open is:issue label:"%s" author:@me sort:updated-desc %s in:title created:>=%d-01-01`, g.phrase(), pick(g, english), 2010+g.r.IntN(18))})
}

func (g *Generator) files() string {
	name := pick(g, english) + " " + pick(g, english) + pick(g, []string{"", " (1)", " (final) v2", " - Copy", " & " + pick(g, english), "_" + g.date(), " [draft]", "'s notes", "~backup", " #3", ", part 2", "+extra"}) + pick(g, []string{".pdf", ".docx", ".jpg", ".mp3", ".tar.gz", ".xlsx"})
	switch g.r.IntN(4) {
	case 0:
		return g.path("/files/", "/download/", "/remote.php/dav/files/"+pick(g, english)+"/", "/share/") + segment(name)
	case 1:
		return g.build(g.path("/index.php/apps/files/", "/browse", "/download.php"), param{"dir", "/" + pick(g, english) + "/" + name}, param{"fileid", g.number(99999)}, param{"file", name}, param{"path", pick(g, english) + "/" + pick(g, english)})
	case 2:
		return g.build("/"+pick(g, english)+"/"+pick(g, english)+".git/info/refs", param{"service", "git-upload-pack"})
	}
	return g.build(g.path("/static/"+g.slug(), "/assets/app."+g.hex(8)+".js", "/img/resize"), param{"v", g.number(99) + "." + g.number(9)}, param{"src", "/media/" + name}, param{"w", g.number(999)}, param{"url", g.link()}, param{"family", "Open+Sans:400,700|Roboto:300italic&display=swap"})
}

func (g *Generator) wordpress() string {
	switch g.r.IntN(5) {
	case 0:
		return g.build("/wp-admin/admin-ajax.php", param{"action", pick(g, english) + "_" + pick(g, english)}, param{"nonce", g.hex(10)}, param{"s", g.phrase()}, param{"args[post_type]", pick(g, english)})
	case 1:
		return "/wp-admin/load-scripts.php?c=1&load%5Bchunk_0%5D=jquery-core,jquery-migrate,utils,wp-" + pick(g, english) + ",moxiejs&ver=6." + g.number(9)
	case 2:
		return g.build("/wp-json/wp/v2/posts", param{"search", g.phrase()}, param{"_fields", "id,title.rendered,_links"}, param{"per_page", g.number(99)}, param{"_embed", "wp:term"}, param{"orderby", "date"})
	case 3:
		return g.build("/wp-admin/edit.php", param{"post_type", pick(g, english)}, param{"s", g.phrase()}, param{"_wp_http_referer", "/wp-admin/edit.php?post_status=all&paged=" + g.number(9)}, param{"action", "-1"})
	}
	return g.build("/wp-content/plugins/"+g.slug(), param{"ver", "5." + g.number(9) + "." + g.number(20)}, param{"x", g.token(6)})
}

func (g *Generator) maps() string {
	lat, lon := fmt.Sprintf("%.5f", g.r.Float64()*180-90), fmt.Sprintf("%.5f", g.r.Float64()*360-180)
	switch g.r.IntN(4) {
	case 3:
		return g.build(g.path("/geoserver/wfs", "/search", "/api/v1/import", "/index.php"), param{pick(g, []string{"filter", "xml", "q", "request", "data"}), g.xml()}, param{"typeName", pick(g, english) + ":" + pick(g, english)}, param{"version", "1.1.0"})
	case 0:
		return g.build("/geoserver/wms", param{"SERVICE", "WMS"}, param{"VERSION", "1.3.0"}, param{"REQUEST", "GetMap"}, param{"LAYERS", pick(g, english) + ":" + pick(g, english)}, param{"BBOX", lat + "," + lon + "," + lon + "," + lat},
			param{"CQL_FILTER", pick(g, english) + " > " + g.number(99) + " AND " + pick(g, english) + " = '" + pick(g, english) + "'"}, param{"CRS", "EPSG:3857"}, param{"STYLES", ""})
	case 1:
		return g.build("/maps/dir", param{"origin", g.name() + " Straße " + g.number(99)}, param{"destination", lat + "," + lon}, param{"waypoints", "via:" + lat + "," + lon + "|" + pick(g, familyNames)}, param{"path", "color:0xff0000ff|weight:5|enc:" + g.token(30) + "`~@" + g.token(9)})
	}
	return fmt.Sprintf("/maps/@%s,%s,%sz/data=!3m1!4b1!4m5!3m4!1s0x%s:0x%s!8m2", lat, lon, g.number(20), g.hex(16), g.hex(15))
}

func (g *Generator) forms() string {
	return g.build(g.path("/register.jsp", "/profile", "/anmelden", "/quote", "/form.php", "/calc", "/survey"), param{pick(g, []string{"name", "nombre", "vorname", "user"}), g.name()}, param{"email", g.mail()},
		param{"address", pick(g, []string{"C/ ", "Av. ", "Rue de l'", "12 ", "P.O. Box "}) + pick(g, familyNames) + " " + g.number(99) + pick(g, []string{", 3º B", "/4", " s/n", " #12", "-A", ", Apt. 5"})},
		param{"pwd", g.token(5) + pick(g, []string{"!", "$", "#1", "'", "%", "&", "<", "=", ")(", "*", ";", "|", "--"}) + g.token(4)}, param{"dni", g.number(99999999) + "X"}, param{"amount", "$1," + g.number(999) + ".00"},
		param{"expr", g.number(99) + pick(g, []string{"+", "*", "-", "/", "=", " > ", " <= ", "^"}) + g.number(99)}, param{"colour", "#" + g.hex(6)}, param{"date", g.date()}, param{"B1", pick(g, []string{"Enviar", "Submit", "Añadir al carrito", "OK!"})},
		param{"text", g.sentence()})
}

// codeTalk are searches and posts about programs, which look most like attacks.
func (g *Generator) codeTalk() string {
	s := pick(g, codePhrases)
	switch g.r.IntN(4) {
	case 0:
		s = g.phrase() + " " + s
	case 1:
		s += " " + g.phrase()
	case 2:
		s = pick(g, []string{"how to ", "what is ", "why does ", "error: ", "example of ", "fix ", "tutorial "}) + s
	}
	return g.build(g.path("/search", "/questions", "/forum/post", "/wiki/index.php", "/comment"), param{pick(g, []string{"q", "query", "title", "text", "search"}), s}, param{"tab", pick(g, english)})
}

// xml is a small document, as programs send them in a parameter.
func (g *Generator) xml() string {
	var b strings.Builder
	if g.r.IntN(2) == 0 {
		b.WriteString(pick(g, []string{`<?xml version="1.0" encoding="UTF-8"?>`, `<?xml version="1.0"?>`, `<?xml version = "1.0" ?>`, `<?xml-stylesheet href="style.xsl"?>`}))
	}
	root := pick(g, []string{"Filter", "ogc:Filter", "userInfo", "request", "order", "GetCapabilities"})
	fmt.Fprintf(&b, `<%s xmlns:%s="http://www.%s.net/%s">`, root, pick(g, english), pick(g, english), pick(g, english))
	for range 1 + g.r.IntN(3) {
		tag := pick(g, english)
		fmt.Fprintf(&b, "<%s>%s</%s>", tag, pick(g, []string{g.number(999), pick(g, english), g.name(), g.date()}), tag)
	}
	return b.String() + "</" + root + ">"
}
