-- Functions of crm. Written by `make schema`: change it by a migration.


create function check_workspace_zone()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
begin
    if new.timezone is not null and not is_time_zone(new.timezone) then
        raise exception 'not a time zone' using
            errcode = 'check_violation', table = 'workspaces', constraint = 'workspace_timezone_is_known',
            hint = 'Use a name such as Europe/Berlin or UTC.';
    end if;
    return new;
end
$$;
revoke execute on function check_workspace_zone() from crm_relay, service_role;


create function current_org()
    returns uuid
    language sql
    stable security definer
    set search_path to 'public', 'pg_temp'
as $$
    select case
        when nullif(current_setting('app.org_id', true), '') is not null then uuid_or_null(current_setting('app.org_id', true))
        else (select org_id from user_profiles where id = current_user_id())
    end
$$;
grant execute on function current_org() to authenticated;


create function current_user_id()
    returns uuid
    language sql
    stable
as $$
    select case
        when nullif(current_setting('app.user_id', true), '') is not null then uuid_or_null(current_setting('app.user_id', true))
        else uuid_or_null(jwt_subject())
    end
$$;
grant execute on function current_user_id() to authenticated;


create function current_workspace_ids()
    returns uuid[]
    language sql
    stable security definer
    set search_path to 'public', 'pg_temp'
as $$
    select coalesce(array_agg(workspace_id), '{}') from workspace_members where user_id = current_user_id()
$$;
grant execute on function current_workspace_ids() to authenticated;


create function current_workspace_names()
    returns text[]
    language sql
    stable security definer
    set search_path to 'public', 'pg_temp'
as $$
    select coalesce(array_agg(known.name), '{}')
    from workspace_members member
    join workspace_names known on known.workspace_id = member.workspace_id
    where member.user_id = current_user_id()
$$;
grant execute on function current_workspace_names() to authenticated;


create function default_org_id()
    returns uuid
    language sql
    stable security definer
    set search_path to 'public', 'pg_temp'
as $$ select uuid_or_null(value) from installation_settings where key = 'default_org_id' $$;
comment on function default_org_id() is 'The organization of the installation: the default of every org_id column in tables that carried no tenant.';
grant execute on function default_org_id() to authenticated;


create function fold_letters(address text)
    returns text
    language sql
    immutable parallel safe strict
as $$
    select translate(
        lower(replace(normalize(address, NFKC), 'İ', U&'i\0307') collate "C"),
        'ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮĴĶĹĻĽŁŃŅŇŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽƁƂƄƆƇƉƊƋƎƏ'
        'ƐƑƓƔƖƗƘƜƝƟƠƢƤƦƧƩƬƮƯƱƲƳƵƷƸƼǍǏǑǓǕǗǙǛǞǠǢǤǦǨǪǬǮǴǶǷǸǺǼǾȀȂȄȆȈȊȌȎȐȒȔȖȘȚȜȞȠȢȤȦȨȪȬȮȰȲȺȻȽȾɁɃɄɅɆɈɊɌɎͰͲͶͿΆΈΉΊΌΎΏ'
        'ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫϏϘϚϜϞϠϢϤϦϨϪϬϮϷϺϽϾϿЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯѠѢѤѦѨѪѬѮ'
        'ѰѲѴѶѸѺѼѾҀҊҌҎҐҒҔҖҘҚҜҞҠҢҤҦҨҪҬҮҰҲҴҶҸҺҼҾӀӁӃӅӇӉӋӍӐӒӔӖӘӚӜӞӠӢӤӦӨӪӬӮӰӲӴӶӸӺӼӾԀԂԄԆԈԊԌԎԐԒԔԖԘԚԜԞԠԢԤԦԨԪԬԮԱԲԳԴԵԶԷԸ'
        'ԹԺԻԼԽԾԿՀՁՂՃՄՅՆՇՈՉՊՋՌՍՎՏՐՑՒՓՔՕՖႠႡႢႣႤႥႦႧႨႩႪႫႬႭႮႯႰႱႲႳႴႵႶႷႸႹႺႻႼႽႾႿჀჁჂჃჄჅჇჍᎠᎡᎢᎣᎤᎥᎦᎧᎨᎩᎪᎫᎬᎭᎮᎯᎰᎱᎲᎳᎴᎵᎶᎷᎸᎹᎺᎻᎼᎽ'
        'ᎾᎿᏀᏁᏂᏃᏄᏅᏆᏇᏈᏉᏊᏋᏌᏍᏎᏏᏐᏑᏒᏓᏔᏕᏖᏗᏘᏙᏚᏛᏜᏝᏞᏟᏠᏡᏢᏣᏤᏥᏦᏧᏨᏩᏪᏫᏬᏭᏮᏯᏰᏱᏲᏳᏴᏵᲐᲑᲒᲓᲔᲕᲖᲗᲘᲙᲚᲛᲜᲝᲞᲟᲠᲡᲢᲣᲤᲥᲦᲧᲨᲩᲪᲫᲬᲭᲮᲯᲰᲱᲲᲳᲴᲵᲶᲷᲸᲹᲺᲽ'
        'ᲾᲿḀḂḄḆḈḊḌḎḐḒḔḖḘḚḜḞḠḢḤḦḨḪḬḮḰḲḴḶḸḺḼḾṀṂṄṆṈṊṌṎṐṒṔṖṘṚṜṞṠṢṤṦṨṪṬṮṰṲṴṶṸṺṼṾẀẂẄẆẈẊẌẎẐẒẔẞẠẢẤẦẨẪẬẮẰẲẴẶẸẺẼẾỀỂỄỆỈỊ'
        'ỌỎỐỒỔỖỘỚỜỞỠỢỤỦỨỪỬỮỰỲỴỶỸỺỼỾἈἉἊἋἌἍἎἏἘἙἚἛἜἝἨἩἪἫἬἭἮἯἸἹἺἻἼἽἾἿὈὉὊὋὌὍὙὛὝὟὨὩὪὫὬὭὮὯᾈᾉᾊᾋᾌᾍᾎᾏᾘᾙᾚᾛᾜᾝᾞᾟᾨᾩᾪᾫᾬᾭᾮᾯᾸᾹ'
        'ᾺᾼῈῊῌῘῙῚῨῩῪῬῸῺῼℲↃⰀⰁⰂⰃⰄⰅⰆⰇⰈⰉⰊⰋⰌⰍⰎⰏⰐⰑⰒⰓⰔⰕⰖⰗⰘⰙⰚⰛⰜⰝⰞⰟⰠⰡⰢⰣⰤⰥⰦⰧⰨⰩⰪⰫⰬⰭⰮⰯⱠⱢⱣⱤⱧⱩⱫⱭⱮⱯⱰⱲⱵⱾⱿⲀⲂⲄⲆⲈⲊⲌⲎⲐⲒⲔⲖⲘⲚⲜⲞⲠⲢⲤⲦ'
        'ⲨⲪⲬⲮⲰⲲⲴⲶⲸⲺⲼⲾⳀⳂⳄⳆⳈⳊⳌⳎⳐⳒⳔⳖⳘⳚⳜⳞⳠⳢⳫⳭⳲꙀꙂꙄꙆꙈꙊꙌꙎꙐꙒꙔꙖꙘꙚꙜꙞꙠꙢꙤꙦꙨꙪꙬꚀꚂꚄꚆꚈꚊꚌꚎꚐꚒꚔꚖꚘꚚꜢꜤꜦꜨꜪꜬꜮꜲꜴꜶꜸꜺꜼꜾꝀꝂꝄꝆꝈꝊꝌꝎꝐꝒꝔꝖꝘꝚꝜꝞ'
        'ꝠꝢꝤꝦꝨꝪꝬꝮꝹꝻꝽꝾꞀꞂꞄꞆꞋꞍꞐꞒꞖꞘꞚꞜꞞꞠꞢꞤꞦꞨꞪꞫꞬꞭꞮꞰꞱꞲꞳꞴꞶꞸꞺꞼꞾꟀꟂꟄꟅꟆꟇꟉꟐꟖꟘꟵ𐐀𐐁𐐂𐐃𐐄𐐅𐐆𐐇𐐈𐐉𐐊𐐋𐐌𐐍𐐎𐐏𐐐𐐑𐐒𐐓𐐔𐐕𐐖𐐗𐐘𐐙𐐚𐐛𐐜𐐝𐐞𐐟𐐠𐐡𐐢𐐣𐐤𐐥𐐦𐐧𐒰𐒱𐒲𐒳'
        '𐒴𐒵𐒶𐒷𐒸𐒹𐒺𐒻𐒼𐒽𐒾𐒿𐓀𐓁𐓂𐓃𐓄𐓅𐓆𐓇𐓈𐓉𐓊𐓋𐓌𐓍𐓎𐓏𐓐𐓑𐓒𐓓𐕰𐕱𐕲𐕳𐕴𐕵𐕶𐕷𐕸𐕹𐕺𐕼𐕽𐕾𐕿𐖀𐖁𐖂𐖃𐖄𐖅𐖆𐖇𐖈𐖉𐖊𐖌𐖍𐖎𐖏𐖐𐖑𐖒𐖔𐖕𐲀𐲁𐲂𐲃𐲄𐲅𐲆𐲇𐲈𐲉𐲊𐲋𐲌𐲍𐲎𐲏𐲐𐲑𐲒𐲓𐲔𐲕𐲖𐲗𐲘𐲙𐲚𐲛𐲜𐲝𐲞𐲟𐲠'
        '𐲡𐲢𐲣𐲤𐲥𐲦𐲧𐲨𐲩𐲪𐲫𐲬𐲭𐲮𐲯𐲰𐲱𐲲𑢠𑢡𑢢𑢣𑢤𑢥𑢦𑢧𑢨𑢩𑢪𑢫𑢬𑢭𑢮𑢯𑢰𑢱𑢲𑢳𑢴𑢵𑢶𑢷𑢸𑢹𑢺𑢻𑢼𑢽𑢾𑢿𖹀𖹁𖹂𖹃𖹄𖹅𖹆𖹇𖹈𖹉𖹊𖹋𖹌𖹍𖹎𖹏𖹐𖹑𖹒𖹓𖹔𖹕𖹖𖹗𖹘𖹙𖹚𖹛𖹜𖹝𖹞𖹟𞤀𞤁𞤂𞤃𞤄𞤅𞤆𞤇𞤈𞤉𞤊𞤋𞤌𞤍𞤎𞤏𞤐𞤑'
        '𞤒𞤓𞤔𞤕𞤖𞤗𞤘𞤙𞤚𞤛𞤜𞤝𞤞𞤟𞤠𞤡',
        'àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįĵķĺļľłńņňŋōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷÿźżžɓƃƅɔƈɖɗƌǝə'
        'ɛƒɠɣɩɨƙɯɲɵơƣƥʀƨʃƭʈưʊʋƴƶʒƹƽǎǐǒǔǖǘǚǜǟǡǣǥǧǩǫǭǯǵƕƿǹǻǽǿȁȃȅȇȉȋȍȏȑȓȕȗșțȝȟƞȣȥȧȩȫȭȯȱȳⱥȼƚⱦɂƀʉʌɇɉɋɍɏͱͳͷϳάέήίόύώ'
        'αβγδεζηθικλμνξοπρστυφχψωϊϋϗϙϛϝϟϡϣϥϧϩϫϭϯϸϻͻͼͽѐёђѓєѕіїјљњћќѝўџабвгдежзийклмнопрстуфхцчшщъыьэюяѡѣѥѧѩѫѭѯ'
        'ѱѳѵѷѹѻѽѿҁҋҍҏґғҕҗҙқҝҟҡңҥҧҩҫҭүұҳҵҷҹһҽҿӏӂӄӆӈӊӌӎӑӓӕӗәӛӝӟӡӣӥӧөӫӭӯӱӳӵӷӹӻӽӿԁԃԅԇԉԋԍԏԑԓԕԗԙԛԝԟԡԣԥԧԩԫԭԯաբգդեզէը'
        'թժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆⴀⴁⴂⴃⴄⴅⴆⴇⴈⴉⴊⴋⴌⴍⴎⴏⴐⴑⴒⴓⴔⴕⴖⴗⴘⴙⴚⴛⴜⴝⴞⴟⴠⴡⴢⴣⴤⴥⴧⴭꭰꭱꭲꭳꭴꭵꭶꭷꭸꭹꭺꭻꭼꭽꭾꭿꮀꮁꮂꮃꮄꮅꮆꮇꮈꮉꮊꮋꮌꮍ'
        'ꮎꮏꮐꮑꮒꮓꮔꮕꮖꮗꮘꮙꮚꮛꮜꮝꮞꮟꮠꮡꮢꮣꮤꮥꮦꮧꮨꮩꮪꮫꮬꮭꮮꮯꮰꮱꮲꮳꮴꮵꮶꮷꮸꮹꮺꮻꮼꮽꮾꮿᏸᏹᏺᏻᏼᏽაბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰჱჲჳჴჵჶჷჸჹჺჽ'
        'ჾჿḁḃḅḇḉḋḍḏḑḓḕḗḙḛḝḟḡḣḥḧḩḫḭḯḱḳḵḷḹḻḽḿṁṃṅṇṉṋṍṏṑṓṕṗṙṛṝṟṡṣṥṧṩṫṭṯṱṳṵṷṹṻṽṿẁẃẅẇẉẋẍẏẑẓẕßạảấầẩẫậắằẳẵặẹẻẽếềểễệỉị'
        'ọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹỻỽỿἀἁἂἃἄἅἆἇἐἑἒἓἔἕἠἡἢἣἤἥἦἧἰἱἲἳἴἵἶἷὀὁὂὃὄὅὑὓὕὗὠὡὢὣὤὥὦὧᾀᾁᾂᾃᾄᾅᾆᾇᾐᾑᾒᾓᾔᾕᾖᾗᾠᾡᾢᾣᾤᾥᾦᾧᾰᾱ'
        'ὰᾳὲὴῃῐῑὶῠῡὺῥὸὼῳⅎↄⰰⰱⰲⰳⰴⰵⰶⰷⰸⰹⰺⰻⰼⰽⰾⰿⱀⱁⱂⱃⱄⱅⱆⱇⱈⱉⱊⱋⱌⱍⱎⱏⱐⱑⱒⱓⱔⱕⱖⱗⱘⱙⱚⱛⱜⱝⱞⱟⱡɫᵽɽⱨⱪⱬɑɱɐɒⱳⱶȿɀⲁⲃⲅⲇⲉⲋⲍⲏⲑⲓⲕⲗⲙⲛⲝⲟⲡⲣⲥⲧ'
        'ⲩⲫⲭⲯⲱⲳⲵⲷⲹⲻⲽⲿⳁⳃⳅⳇⳉⳋⳍⳏⳑⳓⳕⳗⳙⳛⳝⳟⳡⳣⳬⳮⳳꙁꙃꙅꙇꙉꙋꙍꙏꙑꙓꙕꙗꙙꙛꙝꙟꙡꙣꙥꙧꙩꙫꙭꚁꚃꚅꚇꚉꚋꚍꚏꚑꚓꚕꚗꚙꚛꜣꜥꜧꜩꜫꜭꜯꜳꜵꜷꜹꜻꜽꜿꝁꝃꝅꝇꝉꝋꝍꝏꝑꝓꝕꝗꝙꝛꝝꝟ'
        'ꝡꝣꝥꝧꝩꝫꝭꝯꝺꝼᵹꝿꞁꞃꞅꞇꞌɥꞑꞓꞗꞙꞛꞝꞟꞡꞣꞥꞧꞩɦɜɡɬɪʞʇʝꭓꞵꞷꞹꞻꞽꞿꟁꟃꞔʂᶎꟈꟊꟑꟗꟙꟶ𐐨𐐩𐐪𐐫𐐬𐐭𐐮𐐯𐐰𐐱𐐲𐐳𐐴𐐵𐐶𐐷𐐸𐐹𐐺𐐻𐐼𐐽𐐾𐐿𐑀𐑁𐑂𐑃𐑄𐑅𐑆𐑇𐑈𐑉𐑊𐑋𐑌𐑍𐑎𐑏𐓘𐓙𐓚𐓛'
        '𐓜𐓝𐓞𐓟𐓠𐓡𐓢𐓣𐓤𐓥𐓦𐓧𐓨𐓩𐓪𐓫𐓬𐓭𐓮𐓯𐓰𐓱𐓲𐓳𐓴𐓵𐓶𐓷𐓸𐓹𐓺𐓻𐖗𐖘𐖙𐖚𐖛𐖜𐖝𐖞𐖟𐖠𐖡𐖣𐖤𐖥𐖦𐖧𐖨𐖩𐖪𐖫𐖬𐖭𐖮𐖯𐖰𐖱𐖳𐖴𐖵𐖶𐖷𐖸𐖹𐖻𐖼𐳀𐳁𐳂𐳃𐳄𐳅𐳆𐳇𐳈𐳉𐳊𐳋𐳌𐳍𐳎𐳏𐳐𐳑𐳒𐳓𐳔𐳕𐳖𐳗𐳘𐳙𐳚𐳛𐳜𐳝𐳞𐳟𐳠'
        '𐳡𐳢𐳣𐳤𐳥𐳦𐳧𐳨𐳩𐳪𐳫𐳬𐳭𐳮𐳯𐳰𐳱𐳲𑣀𑣁𑣂𑣃𑣄𑣅𑣆𑣇𑣈𑣉𑣊𑣋𑣌𑣍𑣎𑣏𑣐𑣑𑣒𑣓𑣔𑣕𑣖𑣗𑣘𑣙𑣚𑣛𑣜𑣝𑣞𑣟𖹠𖹡𖹢𖹣𖹤𖹥𖹦𖹧𖹨𖹩𖹪𖹫𖹬𖹭𖹮𖹯𖹰𖹱𖹲𖹳𖹴𖹵𖹶𖹷𖹸𖹹𖹺𖹻𖹼𖹽𖹾𖹿𞤢𞤣𞤤𞤥𞤦𞤧𞤨𞤩𞤪𞤫𞤬𞤭𞤮𞤯𞤰𞤱𞤲𞤳'
        '𞤴𞤵𞤶𞤷𞤸𞤹𞤺𞤻𞤼𞤽𞤾𞤿𞥀𞥁𞥂𞥃'
    )
$$;


create function is_time_zone(zone text)
    returns boolean
    language plpgsql
    stable
as $$
begin
    if zone is null or zone ~ '^(posix|right)/' or not (
        zone ~ '^[A-Z][A-Za-z_-]*(/[A-Z][A-Za-z_-]*)+$'
        or zone ~ '^Etc/GMT([+-]?0|[+]([1-9]|1[0-2])|-([1-9]|1[0-4]))$'
        or zone in (
            'UTC', 'GMT', 'UCT', 'Universal', 'Zulu', 'Greenwich', 'GMT0', 'GMT+0', 'GMT-0', 'CET', 'EET', 'MET', 'WET', 'EST5EDT',
            'CST6CDT', 'MST7MDT', 'PST8PDT', 'Cuba', 'Egypt', 'Eire', 'GB', 'GB-Eire', 'Hongkong', 'Iceland', 'Iran', 'Israel',
            'Jamaica', 'Japan', 'Kwajalein', 'Libya', 'NZ', 'NZ-CHAT', 'Navajo', 'PRC', 'Poland', 'Portugal', 'ROC', 'ROK',
            'Singapore', 'Turkey', 'W-SU'
        )
    ) then
        return false;
    end if;
    perform timestamptz '2026-01-01 00:00:00+00' at time zone zone;
    return true;
exception
    when others then return false;
end
$$;
grant execute on function is_time_zone(text) to authenticated;


create function keep_workspace_name()
    returns trigger
    language plpgsql
    security definer
    set search_path to 'public', 'pg_temp'
as $$
begin
    insert into workspace_names (name, workspace_id) values (new.name, new.id) on conflict do nothing;
    if not exists (select from workspace_names where name = new.name and workspace_id = new.id) then
        raise exception 'another workspace has or had this name' using
            errcode = 'unique_violation', table = 'workspaces', constraint = 'workspace_name_is_not_reused',
            hint = 'Choose another name; rows of the former workspace still carry this one.';
    end if;
    return null;
end
$$;
revoke execute on function keep_workspace_name() from crm_relay, service_role;


create function normalise_address(address text)
    returns text
    language sql
    immutable parallel safe
as $$
    select case
        when length(address) <= 1000
            and lower(address collate "C") ~ '^[a-z0-9][a-z0-9._+-]*@[a-z0-9-]+(\.[a-z0-9-]+)*$' then lower(address collate "C")
        else public.normalise_unicode_address(address)
    end
$$;
comment on function normalise_address(text) is 'The one form of an address: lower-case, domain in ASCII (IDNA) without its final dot; null for what is no single address.';
grant execute on function normalise_address(text) to authenticated;


create function normalise_phone(number text)
    returns text
    language sql
    immutable parallel safe
as $$
    select case when bare ~ '^\+[1-9][0-9]{6,14}$' then bare end
    from (
        select regexp_replace(
            regexp_replace(
                regexp_replace(
                    regexp_replace(
                        translate(number, '０１２３４５６７８９＋٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹', '0123456789+01234567890123456789'),
                        '^\s*tel:|[\u0009-\u000d\u001c-\u0020\u0085\u00a0\u00ad\u1680\u2000-\u2015\u2028-\u202f\u205f-\u2064\u2066-\u2069\u2212\u3000\ufeff().\-/]',
                        '', 'gi'
                    ),
                    '^(\+(20|27|3[1-4]|40|41|43|44|46|49|5[13458]|6[0-46]|81|82|84|86|9[0-58]|21[1238]|23[1-4]|243|249|25[0-24-6]|26[0-5]|291|353|355|358|359|370|37[3-57]|38[0-35-79]|421|423|508|59[013-68]|686|850|855|856|880|886|96[1-4]|96[67]|97[0-2]|976|977|99[4-6]))0',
                    '\1'
                ),
                '^(\+(7(?=8[0-9]{10}$)|1(?=1[0-9]{10}$)|52(?=1[0-9]{10}$)|370(?=8[0-9]{8}$)))[18]',
                '\1'
            ),
            '^(\+(36(?=06[0-9]{8,9}$)|375(?=80[0-9]{9}$)))(06|80)',
            '\1'
        ) as bare
    ) written
$$;
comment on function normalise_phone(text) is 'A phone number in its international form (E.164); null for anything else.';
grant execute on function normalise_phone(text) to authenticated;


create function normalise_unicode_address(address text)
    returns text
    language plpgsql
    immutable parallel safe strict security definer
    set search_path to 'public', 'pg_temp'
as $$
declare
    before constant text := '^(mailto:|[\u0001-\u0020\u007f-\u009f\u1680\u2028\u2029,;''"])+';
    behind constant text := '[\u0001-\u0020\u007f-\u009f\u1680\u2028\u2029,;''".。]+$';
    -- Default_Ignorable_Code_Point, but for the joiners.
    unseen constant text := '[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164'
        '\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+';
    joined constant text := '\u0600-\u10ff\u1200-\u167f\u1700-\u1cff\ua800-\uabff\U00010a00-\U00011fff';
    folded text;
    domain text;
begin
    if length(address) > 1000 then
        return null;
    end if;
    folded := case
        when octet_length(address) = length(address) then lower(address collate "C")
        else fold_letters(
            regexp_replace(
                regexp_replace(address, unseen, '', 'g'),
                '(?<![' || joined || '])[\u200c\u200d]|[\u200c\u200d](?![' || joined || '])', '', 'g'
            )
        )
    end;
    folded := regexp_replace(regexp_replace(folded, before, ''), behind, '');
    if folded ~ '^[^<>]*<[^<>]*>$' then
        folded := regexp_replace(regexp_replace(substring(folded from '<([^<>]*)>$'), before, ''), behind, '');
    end if;
    domain := substring(folded from '@([^@]*)$');
    if domain is null or folded ~ '[\u0001-\u0020\u007f-\u009f\u1680\u2028\u2029,;<>]' then
        return null;
    end if;
    if length(domain) not between 1 and 253 then
        return folded;
    end if;
    return left(folded, length(folded) - length(domain)) || (
        select string_agg(
            case when octet_length(label) = length(label) then label else 'xn--' || punycode(label) end, '.' order by place
        )
        from unnest(string_to_array(translate(domain, '。', '.'), '.')) with ordinality as labels (label, place)
    );
end
$$;
grant execute on function normalise_unicode_address(text) to authenticated;


create function punycode(label text)
    returns text
    language plpgsql
    immutable parallel safe strict
as $$
declare
    digits constant text := 'abcdefghijklmnopqrstuvwxyz0123456789';
    points integer[];
    encoded text;
    basic integer;
    handled integer;
    reached bigint := 128;
    next_point bigint;
    delta bigint := 0;
    bias integer := 72;
    rest bigint;
    weight integer;
    threshold integer;
    point integer;
begin
    if length(label) > 253 then
        return label;
    end if;
    points := array(
        select ascii(letter) from unnest(string_to_array(label, null)) with ordinality as letters (letter, place) order by place
    );
    encoded := regexp_replace(label, '[^\u0001-\u007f]', '', 'g');
    basic := length(encoded);
    handled := basic;
    if basic > 0 then
        encoded := encoded || '-';
    end if;
    while handled < cardinality(points) loop
        select min(each) into next_point from unnest(points) as each where each >= reached;
        delta := delta + (next_point - reached) * (handled + 1);
        reached := next_point;
        foreach point in array points loop
            if point < reached then
                delta := delta + 1;
            elsif point = reached then
                rest := delta;
                weight := 36;
                loop
                    threshold := least(greatest(weight - bias, 1), 26);
                    exit when rest < threshold;
                    encoded := encoded || substr(digits, (threshold + (rest - threshold) % (36 - threshold))::integer + 1, 1);
                    rest := (rest - threshold) / (36 - threshold);
                    weight := weight + 36;
                end loop;
                encoded := encoded || substr(digits, rest::integer + 1, 1);
                delta := case when handled = basic then delta / 700 else delta / 2 end;
                handled := handled + 1;
                delta := delta + delta / handled;
                bias := 0;
                while delta > 455 loop
                    delta := delta / 35;
                    bias := bias + 36;
                end loop;
                bias := bias + (36 * delta / (delta + 38))::integer;
                delta := 0;
            end if;
        end loop;
        delta := delta + 1;
        reached := reached + 1;
    end loop;
    return encoded;
end
$$;


create function usable_zone(zone text)
    returns text
    language sql
    stable
as $$ select coalesce(public.zone_meant(zone), 'UTC') $$;
grant execute on function usable_zone(text) to authenticated;


create function workspace_key(its_name text)
    returns text
    language plpgsql
    stable
as $$
begin
    return coalesce(
        (
            select first.name
            from public.workspace_names first
            where first.workspace_id = (select known.workspace_id from public.workspace_names known where known.name = its_name)
            order by first.since, first.name
            limit 1
        ),
        its_name
    );
end
$$;


create function workspace_now(its_name text)
    returns text
    language plpgsql
    stable
as $$
begin
    return coalesce(
        (
            select workspace.name
            from public.workspace_names known
            join public.workspaces workspace on workspace.id = known.workspace_id
            where known.name = its_name
        ),
        its_name
    );
end
$$;


create function workspace_zone(workspace text)
    returns text
    language plpgsql
    stable
as $$
begin
    return public.usable_zone(
        (
            select ours.timezone
            from public.workspace_names known
            join public.workspaces ours on ours.id = known.workspace_id
            where known.name = workspace
        )
    );
end
$$;
grant execute on function workspace_zone(text) to authenticated;


create function zone_meant(written text)
    returns text
    language plpgsql
    stable
as $$
declare
    name constant text := btrim(regexp_replace(written, '\s+', ' ', 'g'));
    found text;
begin
    if public.is_time_zone(name) then
        return name;
    end if;
    declare
        others constant jsonb := '{
        "est": "America/New_York", "edt": "America/New_York", "cst": "America/Chicago", "cdt": "America/Chicago",
        "mst": "America/Denver", "mdt": "America/Denver", "pst": "America/Los_Angeles", "pdt": "America/Los_Angeles",
        "akst": "America/Anchorage", "akdt": "America/Anchorage", "hst": "Pacific/Honolulu",
        "aus central standard time": "Australia/Darwin", "aus eastern standard time": "Australia/Sydney",
        "afghanistan standard time": "Asia/Kabul", "alaskan standard time": "America/Anchorage",
        "alberta standard time": "America/Edmonton", "aleutian standard time": "America/Adak",
        "altai standard time": "Asia/Barnaul", "arab standard time": "Asia/Riyadh", "arabian standard time": "Asia/Dubai",
        "arabic standard time": "Asia/Baghdad", "argentina standard time": "America/Buenos_Aires",
        "astrakhan standard time": "Europe/Astrakhan", "atlantic standard time": "America/Halifax",
        "aus central w. standard time": "Australia/Eucla", "azerbaijan standard time": "Asia/Baku",
        "azores standard time": "Atlantic/Azores", "bahia standard time": "America/Bahia",
        "bangladesh standard time": "Asia/Dhaka", "belarus standard time": "Europe/Minsk",
        "bougainville standard time": "Pacific/Bougainville", "british columbia standard time": "America/Vancouver",
        "canada central standard time": "America/Regina", "cape verde standard time": "Atlantic/Cape_Verde",
        "caucasus standard time": "Asia/Yerevan", "cen. australia standard time": "Australia/Adelaide",
        "central america standard time": "America/Guatemala", "central asia standard time": "Asia/Bishkek",
        "central brazilian standard time": "America/Cuiaba", "central europe standard time": "Europe/Budapest",
        "central european standard time": "Europe/Warsaw", "central pacific standard time": "Pacific/Guadalcanal",
        "central standard time": "America/Chicago", "central standard time (mexico)": "America/Mexico_City",
        "chatham islands standard time": "Pacific/Chatham", "china standard time": "Asia/Shanghai",
        "cuba standard time": "America/Havana", "dateline standard time": "Etc/GMT+12",
        "e. africa standard time": "Africa/Nairobi", "e. australia standard time": "Australia/Brisbane",
        "e. europe standard time": "Europe/Chisinau", "e. south america standard time": "America/Sao_Paulo",
        "easter island standard time": "Pacific/Easter", "eastern standard time": "America/New_York",
        "eastern standard time (mexico)": "America/Cancun", "egypt standard time": "Africa/Cairo",
        "ekaterinburg standard time": "Asia/Yekaterinburg", "fle standard time": "Europe/Kiev",
        "fiji standard time": "Pacific/Fiji", "gmt standard time": "Europe/London", "gtb standard time": "Europe/Bucharest",
        "georgian standard time": "Asia/Tbilisi", "greenland standard time": "America/Godthab",
        "greenwich standard time": "Atlantic/Reykjavik", "haiti standard time": "America/Port-au-Prince",
        "hawaiian standard time": "Pacific/Honolulu", "india standard time": "Asia/Calcutta",
        "iran standard time": "Asia/Tehran", "israel standard time": "Asia/Jerusalem", "jordan standard time": "Asia/Amman",
        "kaliningrad standard time": "Europe/Kaliningrad", "korea standard time": "Asia/Seoul",
        "libya standard time": "Africa/Tripoli", "line islands standard time": "Pacific/Kiritimati",
        "lord howe standard time": "Australia/Lord_Howe", "magadan standard time": "Asia/Magadan",
        "magallanes standard time": "America/Punta_Arenas", "manitoba standard time": "America/Winnipeg",
        "marquesas standard time": "Pacific/Marquesas", "mauritius standard time": "Indian/Mauritius",
        "middle east standard time": "Asia/Beirut", "montevideo standard time": "America/Montevideo",
        "morocco standard time": "Africa/Casablanca", "mountain standard time": "America/Denver",
        "mountain standard time (mexico)": "America/Mazatlan", "myanmar standard time": "Asia/Rangoon",
        "n. central asia standard time": "Asia/Novosibirsk", "namibia standard time": "Africa/Windhoek",
        "nepal standard time": "Asia/Katmandu", "new zealand standard time": "Pacific/Auckland",
        "newfoundland standard time": "America/St_Johns", "norfolk standard time": "Pacific/Norfolk",
        "north asia east standard time": "Asia/Irkutsk", "north asia standard time": "Asia/Krasnoyarsk",
        "north korea standard time": "Asia/Pyongyang", "omsk standard time": "Asia/Omsk",
        "pacific sa standard time": "America/Santiago", "pacific standard time": "America/Los_Angeles",
        "pacific standard time (mexico)": "America/Tijuana", "pakistan standard time": "Asia/Karachi",
        "paraguay standard time": "America/Asuncion", "qyzylorda standard time": "Asia/Qyzylorda",
        "romance standard time": "Europe/Paris", "russia time zone 10": "Asia/Srednekolymsk",
        "russia time zone 11": "Asia/Kamchatka", "russia time zone 3": "Europe/Samara",
        "russian standard time": "Europe/Moscow", "sa eastern standard time": "America/Cayenne",
        "sa pacific standard time": "America/Bogota", "sa western standard time": "America/La_Paz",
        "se asia standard time": "Asia/Bangkok", "saint pierre standard time": "America/Miquelon",
        "sakhalin standard time": "Asia/Sakhalin", "samoa standard time": "Pacific/Apia",
        "sao tome standard time": "Africa/Sao_Tome", "saratov standard time": "Europe/Saratov",
        "singapore standard time": "Asia/Singapore", "south africa standard time": "Africa/Johannesburg",
        "south sudan standard time": "Africa/Juba", "sri lanka standard time": "Asia/Colombo",
        "sudan standard time": "Africa/Khartoum", "syria standard time": "Asia/Damascus",
        "taipei standard time": "Asia/Taipei", "tasmania standard time": "Australia/Hobart",
        "tocantins standard time": "America/Araguaina", "tokyo standard time": "Asia/Tokyo",
        "tomsk standard time": "Asia/Tomsk", "tonga standard time": "Pacific/Tongatapu",
        "transbaikal standard time": "Asia/Chita", "turkey standard time": "Europe/Istanbul",
        "turks and caicos standard time": "America/Grand_Turk", "us eastern standard time": "America/Indianapolis",
        "us mountain standard time": "America/Phoenix", "utc": "Etc/UTC", "utc+12": "Etc/GMT-12", "utc+13": "Etc/GMT-13",
        "utc-02": "Etc/GMT+2", "utc-08": "Etc/GMT+8", "utc-09": "Etc/GMT+9", "utc-11": "Etc/GMT+11",
        "ulaanbaatar standard time": "Asia/Ulaanbaatar", "venezuela standard time": "America/Caracas",
        "vladivostok standard time": "Asia/Vladivostok", "volgograd standard time": "Europe/Volgograd",
        "w. australia standard time": "Australia/Perth", "w. central africa standard time": "Africa/Lagos",
        "w. europe standard time": "Europe/Berlin", "w. mongolia standard time": "Asia/Hovd",
        "west asia standard time": "Asia/Tashkent", "west bank standard time": "Asia/Hebron",
        "west pacific standard time": "Pacific/Port_Moresby", "yakutsk standard time": "Asia/Yakutsk",
        "yukon standard time": "America/Whitehorse"
        }';
    begin
        found := coalesce(
            others ->> lower(name),
            -- Outlook shows the same zone with this word in summer.
            others ->> replace(replace(lower(name), ' daylight time', ' standard time'), ' summer time', ' standard time')
        );
    end;
    return case when public.is_time_zone(found) then found end;
end
$$;
comment on function zone_meant(text) is 'The IANA zone that a name means, also one of Windows or an abbreviation; null: nobody knows.';
grant execute on function zone_meant(text) to authenticated;
