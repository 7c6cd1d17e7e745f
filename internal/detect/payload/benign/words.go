package benign

import "strings"

func words(s string) []string { return strings.Fields(s) }

var english = words(`about account address after air album all also and android animal answer any apple area art article audio
author auto back bag ball bank bar base basic battery beach beauty bed best big bike bird black block blue board boat body book
border box boy brand bread bridge bus business button buy by cable cake call camera camp car card care case cast cat category
center chair change channel charge chart check child choice city class clean clear clock close cloud club code coffee cold
collection color comedy comment common company compare computer concert contact control cook copy country course court cover
credit cross cup current customer cut dance data date day deal dear deck deep default delete delivery design desk detail device
dinner direct discount distance doctor dog door double down download draft dress drink drive drop dry east easy edit education
electric email empty end energy engine english enter event every exam example exchange execute exit export eye face fact family
fan farm fashion fast feature feed field file film filter final find fire first fish fit flat flight floor flower folder follow
food foot for form frame free fresh friend from front fruit full fund game garden gas gate general get gift girl glass global
go gold golf good grand green ground group guide hair half hand happy hard hat have head health heart heavy height help high
hire history hit hold holiday home horse hospital host hot hotel hour house how id image import in index info insert inside
install interest into island item jacket job join june jump just keep key kid king kitchen lake lamp land language large last
laugh law layer leader leaf learn leather left legal length letter level library license life light like limit line link lion
list live load local lock login long look loss love low lunch machine mail main make man manager map march mark market master
match math meal media meet member memory menu message metal middle milk mind mobile mode model money month moon more morning
mother motor mount mouse move movie music name nation nature near network new news night north note number object ocean of
offer office oil old on online open option or orange order organ other out oven page paint pair panel paper parent park part
party pass password past path pay people pet phone photo picture piece pink place plan plant plate play player point policy
pool port post power present press price print private product profile program project public pull purple push quality queen
question quick quiet race radio rain range rate read real recipe record red reference region register release rental repair
replace report request reset result return review right ring river road rock role roof room root round route rule run safe sale
salt same sample sand save scale school score screen script sea search seat second section security select sell send senior
series server service session set shape share sheet shell ship shirt shoe shop short show side sign silver simple single size
skill sky sleep slide slow small snow social sock soft sound source south space special speed sport spring square staff stage
star start state station steel step stock stone stop store story street strong student study style subject sugar suite summer
sun support surface sweet swim switch system table tag talk target task taste tax tea team tech test text than that the theme
there thing this time title to today tool top total touch tour town toy track trade train travel tree trip truck true trust type
under union unit update upload upper use user valley value van version video view village vintage visit voice walk wall want
war warm wash watch water wave way wear weather web wedding week weight welcome west what wheel when where while white who wide
wife wild wind window wine winter wire with woman wood word work world write year yellow young zero zone zoo`)

var languages = [][]string{
	english, english, english,
	words(`aber alle auf aus bei bitte das dein der die ein eine einkaufen er es fahrrad für garten gebraucht geöffnet groß günstig haus
heute hund ich im ist kaufen kinder küche köln leicht mädchen mit möbel münchen nach nicht oder öffnungszeiten preis rezept schnell
schöne schuhe sie sind straße stück tür über und uhr urlaub vom von wann warum was weiß wie wo wohnung zum zur zwölf`),
	words(`acheter à au aujourd'hui avec beau bébé c'est chat château cœur comment dans de d'eau déjà des du écrire élève en enfant est été
et être femme forêt français garçon grand homme hôtel il j'ai jour l'amour l'école l'été le les maison meilleur même mère n'est
noël nous où ou par pas père peut pour pourquoi près prix qu'est qui recette s'il sans sœur sur très un une vélo voiture vous`),
	words(`a año aquí barato bueno calle cómo comprar con corazón cuándo cuál de del dónde el ella en entre español está este fútbol gratis
hasta hay hola jamón la las lo los mañana más mejor música niño niña noche o para película pequeño pero por porque precio qué queso
señor si sí sin sobre su también tienda todo tú último un una vino y ya zapatos`),
	words(`a ação água amanhã até avó bom cabeça café coração com como comprar da de dia do e em é estação então foto grátis hoje irmão já
lição mais mãe maçã melhor música não nós o onde os pão para pela por português preço quando que rápido receita são se sem só também
tênis um uma você`),
	words(`a al anche bambini bella buon caffè casa che chi città come con così cosa da dal dei del dell'arte della di dove e è gli ho il in
italiano la l'acqua le lo ma meglio nell'anno non nuovo o per perché più prezzo quando quanto ricetta sono sul trovare un'altra una
università va vicino`),
	words(`в где год группа да для до дом его если есть за и из или как когда книга купить лучший любовь машина мне москва музыка на не новости
новый но о он она от отзывы по погода почему при рецепт с сайт скачать сколько смотреть такое только у фильм фото цена что это я`),
	words(`的 是 在 我们 中国 北京 天气 新闻 电影 音乐 手机 电脑 学习 怎么 什么 哪里 价格 最好 免费 下载 图片 游戏 小说 酒店 旅游 美食 大学 医院 公司 时间`),
	words(`の は です 東京 天気 ニュース 映画 音楽 レシピ ホテル 旅行 ゲーム 無料 価格 おすすめ 意味 とは やり方 写真 カメラ 駅 大学 病院 地図 動画 通販`),
	words(`في من على كيف ما هو هي أخبار طقس فيلم موسيقى كتاب سعر أفضل تحميل مجانا صور لعبة فندق سفر جامعة مدينة بيت سيارة`),
	words(`aşk bir bu çocuk da daha değil dünya en ev fiyat gece güzel hava için ile indir istanbul kadın kaç kitap nasıl ne nerede oyun öğrenci
resim saat satın şarkı ucuz ve yemek yeni yıl`),
	words(`a aby ale był ceny co czy dla dom dziecko gdzie i ile jak jest kiedy kobieta książka łódź miłość na najlepszy nie od po pogoda przepis
się sklep święta tanie to w warszawa z za że życie`),
}

var apostrophes = words(`O'Reilly don't it's rock'n'roll l'Oréal D'Angelo can't McDonald's '90s o'clock women's J'adore y'all you're I'm let's
mother's kids' ain't Hawai'i qu'il d'hiver dell'Umbria 5'10" 12" Guns'n'Roses O'Brien Levi's ma'am`)

var oddWords = words(`C++ C# .NET AC/DC R&B AT&T H&M 24/7 50% 1/2 3:2 #1 @home e-mail wi-fi x=y a+b (2024) [HD] {x} <3 20% $99 €50 £5 1+1=2
iPhone-15 50mm f/1.8 USB-C 4x4 Q&A P!nk M*A*S*H Ke$ha yes/no he/she and/or w/o c/o 100°C 10km/h v2.0 =) ;) :-D ^^ -1 +1 *new* ~10 A|B`)

var givenNames = words(`Anna Ben Chloé Dmitri Eva François Giulia Hans Ingrid José Kenji Lucía María Nguyễn Olga Pedro Quentin Ravi Søren Tomás
Ulrike Víctor Wei Xavier Yusuf Zoë Seán D'Arcy Jean-Luc Mary-Ann`)

var familyNames = words(`Andersen Brown Çelik Díaz Evans Fischer García Høyer Ivanov Jones Kowalski López Müller Nakamura O'Neill Pérez Rossi Smith
Tanaka Usman Vasquez Weber Xu Yılmaz Zhang O'Connor D'Souza Müller-Lüdenscheidt van-der-Berg St.John`)

// codePhrases are what people write about programs and tools.
var codePhrases = strings.Split(`select from a table in sql
sql join vs union
mysql order by date descending
insert into table if not exists
drop table vs truncate
update where id in list
group by and having count
select the best union hotel
where clause with or and and
sql injection prevention
union of european football
what does select * mean
create table with foreign key
delete from basket
database null values
1=1 meaning in sql
javascript alert box
script tag in html
html <div> inside <p>
how to use <br> tags
css a:hover { color: red }
img src not showing
onclick event handler
document.getElementById
iframe width and height
svg viewBox example
c++ vector<int> sort
List<String> to array in java
if (a > b) return a
for (int i = 0; i < n; i++)
x = y + 1; y = x * 2
python print('hello world')
import os in python
json.loads error
f(x) = x^2 + 3x - 1
regex for e-mail
#include <stdio.h>
echo in php
$_GET array
<?xml version
foreach ($list as $item)
var_dump output
npm install --save
git commit -m "message"
ls -la command
cat file in linux
chmod 755 folder
ping command windows
curl with header
wget a page
tar xvfz file
/etc/hosts on mac
where is /var/log
C:\Program Files
path/to/../file
sudo apt update && upgrade
grep -r pattern .
kill process by id
cron job every 5 minutes
docker run -it ubuntu
echo $PATH
${variable} in bash
{{ template }} engine
i++ vs ++i
a && b || c
== or === in js
lambda x: x+1
std::string to int
NullPointerException at line 5
404 not found; nginx
http://localhost:8080/
ssh user@host
127.0.0.1 meaning
root password reset
admin login page
test; test; test
hello' world
it's a "test"
AND, OR and NOT gates
100% free & safe
(a OR b) AND c
price > 10 and < 20
rock & roll; jazz | blues
-- separator --
/* comment */ in css
// todo list
"quoted 'inner' text"
a=b&c=d
sleep 5 minutes
benchmark results
char count
exec summary
concat strings
version() 2
substring of text
ascii table
waiting for delay
having fun
like a boss
as null
declare variable
cast iron; cast list
exists or not
between 5 and 10
limit 10
order by 2 pm
system update
passthrough mode
shell beach
eval course
base64 decode
phpinfo page
config backup
.htaccess rewrite
robots.txt
web.config transform`, "\n")
